//! Certificate, key and clients' authority change twenty times under load: no valid client is rejected, and no other
//! one accepted.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rustls::{ClientConfig, pki_types::CertificateDer};
use tokio::{net::TcpStream, task::JoinSet, time::sleep};

use crate::tls::service::{mutual, reloads};
use testkit::{
    certificates::{Authority, Leaf},
    eventually,
    scrape::count,
    tls::{
        client::{SERVER, call, call_once, client, config, handshake},
        secret::Secret,
    },
};

const ROTATIONS: usize = 20;
const NAME: &str = "DNS:envoy.example";

/// A client that connects over and over, each time with its current configuration.
struct Caller {
    what: &'static str,
    shows: RwLock<Arc<ClientConfig>>,
    answered: AtomicU64,
    refused: AtomicU64,
}

impl Caller {
    fn new(what: &'static str, shows: Arc<ClientConfig>) -> Arc<Self> {
        Arc::new(Self { what, shows: RwLock::new(shows), answered: AtomicU64::new(0), refused: AtomicU64::new(0) })
    }

    fn becomes(&self, shows: Arc<ClientConfig>) {
        *self.shows.write().expect("no panic") = shows;
    }

    fn shows(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.shows.read().expect("no panic"))
    }

    fn attempts(&self) -> u64 {
        self.answered.load(Relaxed) + self.refused.load(Relaxed)
    }

    fn count(&self, outcome: &Result<(), tonic::Status>) {
        if outcome.is_ok() { &self.answered } else { &self.refused }.fetch_add(1, Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_rotations_under_load() {
    let servers = Authority::new("servers");
    let server = || servers.certificate(&format!("DNS:{SERVER}"));
    // The file has two authorities at a time, as it should while clients move from one to the next.
    let authorities: Vec<_> = (0..ROTATIONS + 2).map(|n| Authority::new(&format!("clients-{n}"))).collect();
    let bundle = |n: usize| format!("{}{}", authorities[n].pem.certificate, authorities[n + 1].pem.certificate);
    let of = |n: usize, names: &str| {
        config(&servers.pem.certificate, Some(&authorities[n].issue(Leaf { names, since_days: 0, days: 1 })))
    };
    let mut secret = Secret::of(&server(), &bundle(0));
    let tollgate = mutual(&secret).env("GRPC_CLIENT_TLS_SAN", "envoy.example").start();
    let address = tollgate.address("grpc");

    let valid = Caller::new("that are valid", of(1, NAME));
    let kept = Caller::new("that are valid and keep a connection", of(1, NAME));
    let retired = Caller::new("of an authority that was retired", config(&servers.pem.certificate, None));
    let misnamed = Caller::new("of another name", of(1, "DNS:other.example"));
    let stranger = Authority::new("stranger").certificate(NAME);
    let stranger = Caller::new("of another authority", config(&servers.pem.certificate, Some(&stranger)));
    let nobody = Caller::new("without a certificate", config(&servers.pem.certificate, None));
    let refused = [&retired, &misnamed, &stranger, &nobody];

    let stop = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    for caller in [&valid, &valid, &valid, &valid].into_iter().chain(refused) {
        let (caller, stop) = (Arc::clone(caller), Arc::clone(&stop));
        load.spawn(async move {
            while !stop.load(Relaxed) {
                let outcome = call_once(address, &caller.shows()).await;
                caller.count(&outcome);
                // Handshakes are what matters; a machine of two cores has other tests to run.
                sleep(Duration::from_millis(2)).await;
            }
        });
    }
    let (caller, stopped) = (Arc::clone(&kept), Arc::clone(&stop));
    load.spawn(async move {
        let mut client = client(address, &caller.shows());
        while !stopped.load(Relaxed) {
            caller.count(&call(&mut client).await);
            sleep(Duration::from_millis(1)).await;
        }
    });

    for n in 1..=ROTATIONS {
        let next = server();
        secret.put_identity(&next, &bundle(n));
        eventually("the new files", async || (reloads(&tollgate, "applied").await == n as u64).then_some(())).await;
        retired.becomes(of(n - 1, NAME));
        valid.becomes(of(n + 1, NAME));
        misnamed.becomes(of(n + 1, "DNS:other.example"));
        let stream = TcpStream::connect(address).await.expect("connected");
        let stream = handshake(stream, &valid.shows()).await.expect("secured");
        let shown = stream.get_ref().1.peer_certificates().expect("a certificate")[0].clone();
        let expected: CertificateDer<'_> =
            rustls::pki_types::pem::PemObject::from_pem_slice(next.certificate.as_bytes()).expect("PEM");
        assert_eq!(shown, expected, "rotation {n}");
        drop(stream);
        // Each kind of client has attempted under these files, apart from an attempt begun before them.
        let before = [&valid, &kept].into_iter().chain(refused).map(|one| (one, one.attempts())).collect::<Vec<_>>();
        eventually("everybody again", async || {
            before.iter().all(|(one, then)| one.attempts() >= then + 5).then_some(())
        })
        .await;
    }
    stop.store(true, Relaxed);
    while let Some(ended) = load.join_next().await {
        ended.expect("no panic");
    }
    let finished = count(&tollgate, "tollgate_tls_handshakes_total{listener=\"grpc\"}").await;
    let mut report = format!("{ROTATIONS} rotations under load; the service finished {finished} handshakes\n");
    for one in [&valid, &kept].into_iter().chain(refused) {
        let (answered, refused) = (one.answered.load(Relaxed), one.refused.load(Relaxed));
        let _ = writeln!(report, "  clients {}: {answered} calls answered, {refused} refused", one.what);
    }
    // To be visible in CI: the test harness captures what `println` writes.
    io::stdout().write_all(report.as_bytes()).expect("stdout is open");
    for one in [&valid, &kept] {
        assert_eq!(one.refused.load(Relaxed), 0, "{}", one.what);
    }
    for one in refused {
        assert_eq!(one.answered.load(Relaxed), 0, "{}", one.what);
    }
    assert_eq!((reloads(&tollgate, "refused").await, tollgate.logged("refused").len()), (0, 0));
    assert_eq!(
        finished,
        valid.attempts() + 1 + ROTATIONS as u64,
        "valid clients, the kept connection, and the checks of the new"
    );
}
