//! The connection over TLS: which servers the client trusts, what it presents, and files that change while it runs.

use std::{fs, net::SocketAddr, path::Path, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;

use super::service::{self, builder, started};
use testkit::scrape::{count, until_metric};
use testkit::{
    certificates::{certificates, selfsigned},
    process::Builder,
    xds::{
        configs::limit,
        server::{Ads, ack},
    },
};

/// A server that speaks HTTP/2 over TLS, as gRPC servers in Go do, and requires certificates by `client_ca`.
fn acceptor(directory: &Path, client_ca: Option<&str>) -> TlsAcceptor {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let read = |name: &str| -> Vec<CertificateDer<'static>> {
        let certificates = CertificateDer::pem_file_iter(directory.join(name)).expect("a file");
        certificates.collect::<Result<_, _>>().expect("certificates")
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(read(ca));
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a CA"))
        }
    };
    let key = PrivateKeyDer::from_pem_file(directory.join("server.key")).expect("a key");
    let mut config = builder.with_single_cert(read("server.crt"), key).expect("a pair");
    config.alpn_protocols.push(b"h2".to_vec());
    TlsAcceptor::from(Arc::new(config))
}

fn over_tls(ads: SocketAddr, ca: &Path) -> Builder {
    builder(ads).env("CONFIG_GRPC_XDS_SERVER_USE_TLS", "true").env("CONFIG_GRPC_XDS_SERVER_TLS_CACERT", ca)
}

fn showing(builder: Builder, directory: &Path) -> Builder {
    builder
        .env("CONFIG_GRPC_XDS_CLIENT_TLS_CERT", directory.join("client.crt"))
        .env("CONFIG_GRPC_XDS_CLIENT_TLS_KEY", directory.join("client.key"))
}

/// The series of handshakes that failed for this reason.
fn failures(reason: &str) -> String {
    format!("tollgate_tls_client_handshake_failures_total{{server=\"xds\",reason=\"{reason}\"}}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_the_named_authority_is_trusted() {
    let files = certificates("IP:127.0.0.1");
    let mut ads = Ads::tls(acceptor(files.path(), None)).await;
    let (tollgate, _stream, mut client) =
        started(over_tls(ads.address, &files.path().join("ca.crt")), &mut ads, limit(5)).await;
    assert_eq!(service::limit(&mut client).await, Some(5));
    assert_eq!(count(&tollgate, "tollgate_xds_connected").await, 1);
    assert_eq!(count(&tollgate, "tollgate_tls_client_handshakes_total{server=\"xds\"}").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_another_authority_or_name_is_not_and_the_log_gives_advice() {
    let files = certificates("DNS:ads.example");
    let ads = Ads::tls(acceptor(files.path(), None)).await;
    for (ca, wanted, reason) in [
        ("other.crt", "UnknownIssuer", "certificate_untrusted"),
        ("ca.crt", "not valid for name \\\"127.0.0.1\\\"", "certificate_name"),
    ] {
        let tollgate = over_tls(ads.address, &files.path().join(ca)).spawn();
        let logged = tollgate.wait_for_log("cannot connect to the xDS server");
        assert!(logged.contains("the TLS handshake failed") && logged.contains(wanted), "{logged}");
        assert!(logged.contains("CONFIG_GRPC_XDS_SERVER_TLS_SAN"), "{logged}");
        assert_eq!(count(&tollgate, "tollgate_xds_connected").await, 0);
        let peer = format!("\"peer\":\"{}\"", ads.address);
        assert!(
            tollgate.wait_for_log(&peer).contains(&format!("\"reason\":\"{reason}\"")),
            "{:?}",
            tollgate.logged(&peer)
        );
        assert!(count(&tollgate, &failures(reason)).await >= 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_certificate_is_trusted_itself() {
    let files = tempfile::tempdir().expect("a directory");
    let own = selfsigned("IP:127.0.0.1");
    for (name, content) in [("server.crt", &own.certificate), ("server.key", &own.key)] {
        fs::write(files.path().join(name), content).expect("a file");
    }
    let mut ads = Ads::tls(acceptor(files.path(), None)).await;
    let trusting = over_tls(ads.address, &files.path().join("server.crt"));
    let (_tollgate, _stream, mut client) = started(trusting, &mut ads, limit(5)).await;
    assert_eq!(service::limit(&mut client).await, Some(5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_san_setting_replaces_the_host() {
    let files = certificates("DNS:ads.example");
    let mut ads = Ads::tls(acceptor(files.path(), None)).await;
    let named =
        over_tls(ads.address, &files.path().join("ca.crt")).env("CONFIG_GRPC_XDS_SERVER_TLS_SAN", "ads.example");
    let (_tollgate, _stream, mut client) = started(named, &mut ads, limit(5)).await;
    assert_eq!(service::limit(&mut client).await, Some(5));

    let other =
        over_tls(ads.address, &files.path().join("ca.crt")).env("CONFIG_GRPC_XDS_SERVER_TLS_SAN", "other.example");
    let logged = other.spawn().wait_for_log("cannot connect to the xDS server");
    assert!(logged.contains("not valid for name \\\"other.example\\\""), "{logged}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_presents_its_certificate_and_one_without_logs_why_it_is_rejected() {
    let files = certificates("IP:127.0.0.1");
    let mut ads = Ads::tls(acceptor(files.path(), Some("ca.crt"))).await;
    let ca = files.path().join("ca.crt");
    let (_tollgate, _stream, mut client) =
        started(showing(over_tls(ads.address, &ca), files.path()), &mut ads, limit(5)).await;
    assert_eq!(service::limit(&mut client).await, Some(5));

    // in TLS 1.3 the alert comes after the client's handshake is done
    let refused = over_tls(ads.address, &ca).spawn();
    let logged = refused.wait_for_log("cannot connect to the xDS server");
    assert!(logged.contains("the server closed the connection: received fatal alert: CertificateRequired"), "{logged}");
    assert!(refused.wait_for_log("\"reason\":\"refused_by_server\"").contains("CertificateRequired"));
    assert!(count(&refused, &failures("refused_by_server")).await >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_read_again_for_each_connection() {
    let files = certificates("IP:127.0.0.1");
    let mut ads = Ads::tls(acceptor(files.path(), Some("ca.crt"))).await;
    let (address, ca) = (ads.address, files.path().join("ca.crt"));
    let (tollgate, stream, mut client) =
        started(showing(over_tls(address, &ca), files.path()), &mut ads, limit(5)).await;
    drop((ads, stream));
    until_metric(&tollgate, "tollgate_xds_connected", 0.0).await;

    // the Secret is halfway through its change: a file is gone
    fs::remove_file(files.path().join("client.key")).expect("removed");
    let logged = tollgate.wait_for_log("cannot read the client key from");
    assert!(logged.contains("CONFIG_GRPC_XDS_CLIENT_TLS_KEY"), "{logged}");
    assert_eq!(service::limit(&mut client).await, Some(5), "the rules stay");

    // everything is from new authorities
    let rotated = certificates("IP:127.0.0.1");
    for name in ["ca.crt", "client.crt", "client.key"] {
        fs::copy(rotated.path().join(name), files.path().join(name)).expect("copied");
    }
    let mut ads = Ads::at(address, Some(acceptor(rotated.path(), Some("ca.crt")))).await;
    let mut stream = ads.accept().await;
    assert_eq!(stream.reply().await, ack("1", ""));
    stream.send("2", "n2", limit(6)).await;
    assert_eq!(stream.reply().await, ack("2", "n2"));
    assert_eq!(service::limit(&mut client).await, Some(6));
}
