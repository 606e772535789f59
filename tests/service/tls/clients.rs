//! Which clients are accepted.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use tls::{ClientAuthority, Identity, PeerCertificate, ServerFiles, ServerTls};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, sync::mpsc};
use tollgate::{
    rejections::PeerName,
    server::{GrpcServer, Listener, LocalAddr, RemotePeer, ServerContext},
};

use crate::tls::{
    faults::{Nothing, any_port, defaults},
    service::{builder, failures, mutual},
};
use testkit::{
    certificates::{Authority, Leaf, Pem, selfsigned},
    eventually,
    tls::{
        client::{SERVER, call_once, config, handshake},
        secret::Secret,
    },
};

const NAME: &str = "DNS:envoy.example";

fn secret(clients: &Authority) -> (Authority, Secret) {
    let ca = Authority::new("servers");
    let server = ca.certificate(&format!("DNS:{SERVER}"));
    let secret = Secret::of(&server, &clients.pem.certificate);
    (ca, secret)
}

#[tokio::test]
async fn clients_need_no_certificate_unless_their_authority_is_named() {
    let clients = Authority::new("clients");
    let (ca, secret) = secret(&clients);
    // Envoy Gateway sets this name, which has no meaning.
    let tollgate = builder(&secret).env("GRPC_SERVER_TLS_CA_CERT", secret.path("ca.crt")).start();
    let address = tollgate.address("grpc");
    call_once(address, &config(&ca.pem.certificate, None)).await.expect("without a certificate");
    let identity = clients.certificate(NAME);
    call_once(address, &config(&ca.pem.certificate, Some(&identity))).await.expect("with one");
}

#[tokio::test]
async fn only_certificates_of_their_authority_are_accepted() {
    let (clients, other) = (Authority::new("clients"), Authority::new("other"));
    let (ca, secret) = secret(&clients);
    // The system trusts the other authority; Tollgate does not.
    std::fs::write(secret.path("system"), &other.pem.certificate).expect("a file");
    let tollgate = mutual(&secret).env("SSL_CERT_FILE", secret.path("system")).start();
    let address = tollgate.address("grpc");
    let as_client = |identity: Option<&Pem>| config(&ca.pem.certificate, identity);
    call_once(address, &as_client(Some(&clients.certificate(NAME)))).await.expect("one of ours");
    let past = Leaf { names: NAME, since_days: 10, days: 3 };
    for (what, identity, reason) in [
        ("no certificate", None, "certificate_missing"),
        ("another authority", Some(other.certificate(NAME)), "certificate_untrusted"),
        ("an expired one", Some(clients.issue(past)), "certificate_expired"),
    ] {
        call_once(address, &as_client(identity.as_ref())).await.expect_err(what);
        eventually(what, async || (failures(&tollgate, reason).await == 1).then_some(())).await;
    }
    call_once(address, &as_client(Some(&clients.certificate(NAME)))).await.expect("one of ours again");
}

#[tokio::test]
async fn the_name_is_a_subject_alternative_name_of_the_certificate() {
    let clients = Authority::new("clients");
    let (ca, secret) = secret(&clients);
    let tollgate = mutual(&secret).env("GRPC_CLIENT_TLS_SAN", "envoy.mesh.example").start();
    let address = tollgate.address("grpc");
    let call = async |names: &str| {
        call_once(address, &config(&ca.pem.certificate, Some(&clients.certificate(names)))).await.is_ok()
    };
    for good in ["DNS:envoy.mesh.example", "DNS:other.example,DNS:Envoy.Mesh.Example", "DNS:*.mesh.example"] {
        assert!(call(good).await, "{good}");
    }
    let bad = [NAME, "DNS:envoy.mesh.example.org", "DNS:*.envoy.mesh.example", "URI:spiffe://envoy.mesh.example/x"];
    for (refused, names) in bad.into_iter().enumerate() {
        assert!(!call(names).await, "{names}");
        let expected = refused as u64 + 1;
        eventually(names, async || (failures(&tollgate, "certificate_name").await == expected).then_some(())).await;
    }
    // The subject's common name does not count.
    assert_eq!(failures(&tollgate, "certificate_untrusted").await, 0);
}

#[tokio::test]
async fn the_handler_of_a_connection_knows_its_client_s_certificate() {
    let clients = Authority::new("clients");
    let (ca, secret) = secret(&clients);
    let identity = Identity { certificate: secret.path("tls.crt"), key: secret.path("tls.key") };
    let authority = ClientAuthority { ca: secret.path("ca.crt"), name: None };
    for asked in [Some(authority), None] {
        let files = ServerFiles { identity: identity.clone(), clients: asked.clone() };
        let tls = ServerTls::load("grpc", files, &[b"h2"]).expect("loaded");
        let context = ServerContext { tls: Some(Arc::new(tls)), rejections: Arc::default() };
        let listener = Listener::bind("grpc", &any_port()).await.expect("bound");
        let LocalAddr::Tcp(address) = *listener.local_addr() else { panic!("not TCP") };
        let (seen, mut peers) = mpsc::unbounded_channel();
        let factory = move |_| {
            let seen = seen.clone();
            move |peer: RemotePeer| {
                seen.send(peer).expect("it is awaited");
                Nothing
            }
        };
        let _server = GrpcServer::start(&defaults(), &context, listener, factory).await.expect("started");
        let shown = clients.certificate(NAME);
        let client = config(&ca.pem.certificate, Some(&shown));
        let mut connection =
            handshake(TcpStream::connect(address).await.expect("connected"), &client).await.expect("secured");
        connection.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("sent");
        let peer = peers.recv().await.expect("it is served");
        let own = CertificateDer::from_pem_slice(shown.certificate.as_bytes()).expect("PEM");
        let expected = asked.map(|_| PeerCertificate(Arc::new(own)));
        assert_eq!(peer.certificate, expected);
        assert!(matches!(peer.name, PeerName::Tcp(name) if name == connection.get_ref().0.local_addr().expect("open")));
    }
}

/// Client and server each present what `openssl req -x509` made, and trust the other's.
#[tokio::test]
async fn certificates_that_are_trusted_themselves() {
    let (server, client) = (selfsigned(&format!("DNS:{SERVER}")), selfsigned(NAME));
    let secret = Secret::of(&server, &client.certificate);
    let tollgate = mutual(&secret).env("GRPC_CLIENT_TLS_SAN", "envoy.example").start();
    let address = tollgate.address("grpc");
    let files = |name: &str| secret.path(name).display().to_string();
    std::fs::write(secret.path("client.crt"), &client.certificate).expect("a file");
    std::fs::write(secret.path("client.key"), &client.key).expect("a file");
    let asked = std::process::Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["check", "--ca", &files("tls.crt"), "--cert", &files("client.crt"), "--key", &files("client.key")])
        .args(["--server-name", SERVER, &address.to_string(), "d", "k=v"])
        .output()
        .expect("it runs");
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
}
