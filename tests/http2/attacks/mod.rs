//! Attacks next to two well-behaved callers: one on the attacked worker, one on the other. No call of theirs fails;
//! what the attack makes the process hold and log is bounded; and the process releases everything when the peers leave.
//!
//! With `TOLLGATE_TEST_FLOOD_SECONDS` each attack lasts that long, or four times that if it is slow, and the callers'
//! latencies are measured: without an attack, with the same attack on another process of the machine, and with it on
//! theirs. The second shows the effect of sharing the machine's cores.

mod attack;
mod caller;
mod floods;
mod holds;
mod process;
mod report;
mod target;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use self::{
    attack::{Attack, Attackers},
    caller::{Caller, Calls},
    report::Report,
    target::{Pair, Target},
};
use testkit::{certificates::certificates, process::Tollgate};

/// How much the log may grow.
const LOG: usize = 64 << 10;

/// How much the process may grow, in MiB: 64 for incomplete requests, 64 for responses that wait, and the rest for
/// buffers larger than their content, for connections and for the allocator.
const MEMORY: f64 = 384.0;

/// How long each attack lasts, if it is measured.
fn length() -> Option<Duration> {
    std::env::var("TOLLGATE_TEST_FLOOD_SECONDS").ok()?.parse().ok().map(Duration::from_secs)
}

/// The results of both callers over the same time.
struct View {
    same: Calls,
    other: Calls,
}

struct Callers {
    same: Caller,
    other: Caller,
}

impl Callers {
    /// The results from now on, over this time and at least ten calls.
    async fn during(&self, length: Duration) -> View {
        self.have_no_error();
        tokio::time::sleep(length).await;
        for caller in [&self.same, &self.other] {
            caller.wait_for(10);
        }
        View { same: self.same.take(), other: self.other.take() }
    }

    /// Checks the calls between two results.
    fn have_no_error(&self) {
        for caller in [&self.same, &self.other] {
            assert_eq!(caller.take().errors, [""; 0]);
        }
    }
}

/// The configuration of the attacked process.
enum Setting {
    Plain,
    Secured {
        files: tempfile::TempDir,
        client: Arc<ClientConfig>,
    },
    /// Connections receive GOAWAY after a second. So they cannot be kept on a worker, and there is only one.
    Aging,
}

impl Setting {
    fn secured() -> Self {
        let files = certificates("DNS:ratelimit");
        let ca = std::fs::read(files.path().join("ca.crt")).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&ca).map(|one| one.expect("PEM")));
        let mut client = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![b"h2".to_vec()];
        Self::Secured { files, client: Arc::new(client) }
    }

    async fn target(&self, peers: usize) -> (Target, Pair) {
        match self {
            Self::Plain => Target::start(testkit::tollgate!(), None, peers).await,
            Self::Secured { files, client } => {
                let builder = testkit::tollgate!()
                    .env("GRPC_SERVER_USE_TLS", "true")
                    .env("GRPC_SERVER_TLS_CERT", files.path().join("server.crt"))
                    .env("GRPC_SERVER_TLS_KEY", files.path().join("server.key"));
                Target::start(builder, Some(Arc::clone(client)), peers).await
            }
            Self::Aging => Target::with_one_worker(testkit::tollgate!().env("GRPC_MAX_CONNECTION_AGE", "1s")),
        }
    }
}

fn log_of(tollgate: &Tollgate) -> usize {
    tollgate.log().iter().map(|line| line.len() + 1).sum()
}

/// Runs one attack on a process of its own.
async fn withstands(setting: &Setting, attack: Attack) {
    let attack = Arc::new(attack);
    let (target, pair) = setting.target(attack.peers).await;
    let callers = Callers { same: Caller::start(pair.same), other: Caller::start(pair.other) };
    let mut views = Vec::new();
    if let Some(length) = length() {
        views.push(callers.during(length / 2).await);
        let (neighbor, _unused) = setting.target(attack.peers).await;
        let _attackers = Attackers::start(&attack, neighbor.tollgate.address(attack.listener));
        views.push(callers.during(length).await);
    }
    let (tollgate, pid) = (&target.tollgate, target.tollgate.pid());
    let (before, log) = (process::resident(pid), log_of(tollgate));
    process::forget_peak(pid);
    let (since, ran) = (Instant::now(), process::workers(pid));
    let attackers = Attackers::start(&attack, tollgate.address(attack.listener));
    let long = length().map_or(Duration::from_secs(1), |length| if attack.is_slow() { 4 * length } else { length });
    views.push(callers.during(long).await);
    while attackers.seen.connections.load(Relaxed) < attack.peers as u64 {
        callers.same.wait_for(1);
    }
    let elapsed = since.elapsed().as_nanos() as f64;
    let mut busy = [0.0; 2];
    for (worker, now) in process::workers(pid) {
        busy[usize::from(worker != target.attacked)] += 100.0 * (now - ran[&worker]) as f64 / elapsed;
    }
    let (seen, open) = (Arc::clone(&attackers.seen), attackers.seen.open.load(Relaxed));
    drop(attackers);
    target.has_no_more_than(target.connections()).await;
    if length().is_some() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    callers.have_no_error();
    let memory = [before, process::peak(pid), process::resident(pid)];
    let logged = log_of(tollgate) - log;
    let name = attack.name;
    println!("{}", Report { name, memory, views: &views, busy, seen: &seen, open, logged }.row(tollgate).await);
    for calls in views.iter().flat_map(|view| [&view.same, &view.other]) {
        assert_eq!(calls.errors, [""; 0], "{name}");
    }
    assert!(logged <= LOG, "{name}: {logged} bytes of log: {:?}", tollgate.log().last());
    assert!(memory[1] - before < MEMORY, "{name}: {memory:?} MiB");
}

async fn withstands_all(setting: Setting, attacks: Vec<Attack>) {
    println!("{}", report::head());
    for attack in attacks {
        withstands(&setting, attack).await;
    }
}

#[tokio::test]
async fn endless_frames() {
    withstands_all(Setting::Plain, floods::frames()).await;
}

#[tokio::test]
async fn endless_calls() {
    withstands_all(Setting::Plain, floods::of_calls()).await;
}

#[tokio::test]
async fn other_protocols_than_http2() {
    withstands_all(Setting::Plain, floods::others()).await;
}

#[tokio::test]
async fn requests_and_responses_that_are_held() {
    withstands_all(Setting::Plain, holds::holds()).await;
}

#[tokio::test]
async fn many_connections() {
    withstands_all(Setting::Plain, holds::crowds()).await;
}

#[tokio::test]
async fn connections_that_ignore_goaway() {
    withstands_all(Setting::Aging, holds::stayers()).await;
}

#[tokio::test]
async fn handshakes_that_fail() {
    withstands_all(Setting::secured(), holds::handshakes()).await;
}
