//! Files that change while the service runs.

use std::fs;

use rustls::{ClientConfig, HandshakeKind, client::Resumption, pki_types::CertificateDer};
use tokio::net::TcpStream;

use crate::tls::service::{failures, mutual, reloads};
use testkit::{
    certificates::{Authority, Leaf, Pem},
    eventually,
    process::Tollgate,
    scrape::count,
    tls::{
        client::{SERVER, call, call_once, client, config, handshake},
        secret::Secret,
    },
};

const NAME: &str = "DNS:envoy.example";

/// An authority of servers and one of clients, a client, and a running service.
struct Setting {
    servers: Authority,
    clients: Authority,
    client: Pem,
    secret: Secret,
    tollgate: Tollgate,
}

impl Setting {
    fn new() -> Self {
        let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
        let client = clients.certificate(NAME);
        let secret = Secret::of(&servers.certificate(&format!("DNS:{SERVER}")), &clients.pem.certificate);
        let tollgate = mutual(&secret).start();
        Self { servers, clients, client, secret, tollgate }
    }

    fn server(&self) -> Pem {
        self.servers.certificate(&format!("DNS:{SERVER}"))
    }

    fn config(&self, identity: &Pem) -> std::sync::Arc<ClientConfig> {
        config(&self.servers.pem.certificate, Some(identity))
    }

    async fn shown(&self) -> CertificateDer<'static> {
        let stream = TcpStream::connect(self.tollgate.address("grpc")).await.expect("connected");
        let stream = handshake(stream, &self.config(&self.client)).await.expect("secured");
        stream.get_ref().1.peer_certificates().expect("a certificate")[0].clone().into_owned()
    }

    async fn applied(&self, times: u64) {
        eventually("new files active", async || (reloads(&self.tollgate, "applied").await == times).then_some(()))
            .await;
    }

    async fn refused(&self, times: u64) {
        eventually("files refused", async || (reloads(&self.tollgate, "refused").await == times).then_some(())).await;
    }
}

fn der(pem: &Pem) -> CertificateDer<'static> {
    rustls::pki_types::pem::PemObject::from_pem_slice(pem.certificate.as_bytes()).expect("PEM")
}

#[tokio::test]
async fn a_secret_that_is_switched_brings_certificate_and_authority() {
    let mut it = Setting::new();
    let address = it.tollgate.address("grpc");
    let mut kept = client(address, &it.config(&it.client));
    call(&mut kept).await.expect("an answer");

    let (server, next) = (it.server(), Authority::new("next"));
    it.secret.put_identity(&server, &next.pem.certificate);
    it.applied(1).await;
    let is_logged = async || (it.tollgate.logged("new TLS files are active").len() == 1).then_some(());
    eventually("a line in the log", is_logged).await;
    let newcomer = next.certificate(NAME);
    call_once(address, &it.config(&newcomer)).await.expect("a client of the new authority");
    call_once(address, &it.config(&it.client)).await.expect_err("a client of the old one");
    let untrusted = async || (failures(&it.tollgate, "certificate_untrusted").await == 1).then_some(());
    eventually("it is counted", untrusted).await;
    it.client = newcomer;
    assert_eq!(it.shown().await, der(&server));
    // A connection accepted before stays until it ends.
    call(&mut kept).await.expect("an answer");
}

#[tokio::test]
async fn files_written_in_place_or_renamed_are_noticed_too() {
    let it = Setting::new();
    let server = it.server();
    // Through the links: the files themselves are written.
    fs::write(it.secret.path("tls.key"), &server.key).expect("written");
    fs::write(it.secret.path("tls.crt"), &server.certificate).expect("written");
    it.applied(1).await;
    assert_eq!(it.shown().await, der(&server));

    let server = it.server();
    for (name, content) in [("tls.crt", &server.certificate), ("tls.key", &server.key)] {
        fs::write(it.secret.path("new"), content).expect("written");
        fs::rename(it.secret.path("new"), it.secret.path(name)).expect("renamed, in place of the link");
    }
    it.applied(2).await;
    assert_eq!(it.shown().await, der(&server));
}

#[tokio::test]
async fn unusable_files_are_rejected_once_and_the_former_stay() {
    let mut it = Setting::new();
    let address = it.tollgate.address("grpc");
    let before = it.shown().await;
    let (server, other, ca) = (it.server(), it.server(), it.clients.pem.certificate.clone());
    let half = server.certificate[..200].to_owned();
    let expired = it.servers.issue(Leaf { names: NAME, since_days: 9, days: 2 });
    let bad: [([&str; 3], &str); 5] = [
        ([&server.certificate, &other.key, &ca], "belong together"),
        ([&half, &server.key, &ca], "in the middle of a section"),
        ([&server.certificate, &server.key, "no authority"], "it has none"),
        ([&expired.certificate, &expired.key, &ca], "expired on"),
        ([&server.certificate, "", &ca], "it is empty"),
    ];
    for (refused, ([certificate, key, ca], reason)) in bad.into_iter().enumerate() {
        it.secret.put(&[("tls.crt", certificate), ("tls.key", key), ("ca.crt", ca)]);
        it.refused(refused as u64 + 1).await;
        let logged = eventually("a line of the log", async || {
            let logged = it.tollgate.logged("new TLS files are rejected");
            (logged.len() > refused).then_some(logged)
        })
        .await;
        assert_eq!(logged.len(), refused + 1, "{logged:#?}");
        assert!(
            logged[refused].contains(reason) && logged[refused].contains("\"listener\":\"grpc\""),
            "{}",
            logged[refused]
        );
        assert_eq!(it.shown().await, before, "{reason}");
        call_once(address, &it.config(&it.client)).await.expect("the former files are active");
    }
    // Removed completely, then restored.
    let data = it.secret.path("..data");
    fs::rename(&data, it.secret.path("..elsewhere")).expect("renamed");
    it.refused(6).await;
    call_once(address, &it.config(&it.client)).await.expect("the former files are active");
    it.secret.put_identity(&server, &ca);
    it.applied(1).await;
    assert_eq!(it.shown().await, der(&server));
    assert_eq!(
        (reloads(&it.tollgate, "refused").await, it.tollgate.wait_for_lines("new TLS files are rejected", 6).len()),
        (6, 6)
    );
}

#[tokio::test]
async fn the_same_content_is_no_change() {
    let mut it = Setting::new();
    let (first, second) = (it.server(), it.server());
    it.secret.put_identity(&first, &it.clients.pem.certificate);
    it.applied(1).await;
    it.secret.put_identity(&first, &it.clients.pem.certificate);
    // If it had counted, this would be the third.
    it.secret.put_identity(&second, &it.clients.pem.certificate);
    eventually("the second", async || (it.shown().await == der(&second)).then_some(())).await;
    it.applied(2).await;
}

#[tokio::test]
async fn a_session_is_never_resumed() {
    let mut it = Setting::new();
    let address = it.tollgate.address("grpc");
    let mut offering = (*it.config(&it.client)).clone();
    offering.resumption = Resumption::in_memory_sessions(8);
    let offering = offering.into();
    for _ in 0..3 {
        let mut stream =
            handshake(TcpStream::connect(address).await.expect("connected"), &offering).await.expect("secured");
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
        // Tickets would arrive now, before the answer to the preface.
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
            .await
            .expect("sent");
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut [0; 9]).await.expect("settings");
        assert_eq!(stream.get_ref().1.tls13_tickets_received(), 0);
    }
    // Nor past an authority that has changed.
    let next = Authority::new("next");
    it.secret.put_identity(&it.server(), &next.pem.certificate);
    it.applied(1).await;
    call_once(address, &offering).await.expect_err("its authority is no longer trusted");
}

#[tokio::test]
async fn the_expiry_is_that_of_the_certificate_in_force() {
    let mut it = Setting::new();
    let series = "tollgate_tls_certificate_expiry_timestamp_seconds{listener=\"grpc\"}";
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let days = |expiry: u64| (expiry - now + 43_200) / 86_400;
    assert_eq!(days(count(&it.tollgate, series).await), 2);
    let names = format!("DNS:{SERVER}");
    let longer = it.servers.issue(Leaf { names: &names, since_days: 0, days: 30 });
    it.secret.put_identity(&longer, &it.clients.pem.certificate);
    it.applied(1).await;
    assert_eq!(days(count(&it.tollgate, series).await), 30);
}
