//! Our own certificates and keys, as a listener and as a client.

use std::{fs, sync::Arc};

use rustls::pki_types::{CertificateDer, ServerName};
use tls::{
    ClientAuthority, ClientFiles, ClientStats, ClientTls, Gate, Identity, ServerFiles, ServerTls, client_config,
};
use tokio::{io::AsyncWriteExt as _, net::UnixStream};

use super::{
    forge::{ED25519, Key, P256, P384, P521, RSA_1024, RSA_2048, Spec, ca, names, not_ca, pem},
    shown::NAME,
};

/// Presents the same on both sides, each of which trusts it; names are not verified.
async fn both(certificate: &CertificateDer<'static>, key: &Key) -> [Result<(), String>; 2] {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    fs::write(path("crt"), pem(std::slice::from_ref(certificate))).expect("a file");
    fs::write(path("key"), &key.pem).expect("a file");
    let identity = Identity { certificate: path("crt"), key: path("key") };
    let clients = Some(ClientAuthority { ca: path("crt"), name: None });
    let files = ServerFiles { identity: identity.clone(), clients };
    let server = ServerTls::load("grpc", files, &[]).map_err(|error| error.to_string());
    let files = ClientFiles { ca: Some(path("crt")), identity: Some(identity), verify_hostname: false };
    let client = client_config(&files).map_err(|error| error.to_string());
    let (server, client) = match (server, client) {
        (Ok(server), Ok(client)) => (server, client),
        (server, client) => return [server.map(drop), client.map(drop)],
    };
    let (near, far) = UnixStream::pair().expect("a pair");
    let connect = async {
        let tls = ClientTls::new(client, Arc::new(ClientStats::new("test")));
        let name = ServerName::try_from(NAME).expect("a name");
        let mut stream = tls.connect(name, far, "the test", std::future::pending()).await.map_err(|e| e.to_string())?;
        let _ = stream.shutdown().await;
        Ok(())
    };
    let gate = Gate::default();
    let accept = async {
        let accepted = server.accept(near, "the test", &gate, std::future::pending()).await;
        accepted.map(drop).map_err(|error| error.to_string())
    };
    tokio::join!(accept, connect).into()
}

#[tokio::test]
async fn what_can_be_presented() {
    for algorithm in [P256, P384, P521, ED25519, RSA_2048] {
        let key = Key::new(algorithm);
        for (kind, spec) in [
            ("CA:TRUE", Spec::new("own", "own", &key, &[ca(None), names(&[NAME])])),
            ("CA:FALSE", Spec::new("own", "own", &key, &[not_ca(), names(&[NAME])])),
            ("v1", Spec::v1("own", "own", &key)),
        ] {
            assert_eq!(both(&spec.signed_by(&key), &key).await, [Ok(()), Ok(())], "{algorithm}, {kind}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_presented_is_rejected_at_once() {
    let issuer = Key::new(P256);
    let cannot = "give one of RSA with 2048 to 8192 bits, P-256, P-384, P-521 or Ed25519";
    for algorithm in [RSA_1024, "EC -pkeyopt ec_paramgen_curve:P-224", "ED448"] {
        let key = Key::new(algorithm);
        let certificate = Spec::new("own", "own", &key, &[names(&[NAME])]).signed_by(&issuer);
        for refusal in both(&certificate, &key).await {
            let refusal = refusal.expect_err(algorithm);
            assert!(
                refusal.contains(": failed to parse private key") && refusal.ends_with(cannot),
                "{algorithm}: {refusal}"
            );
        }
    }
    let other = Key::new(P256);
    for certificate in [
        Spec::new("own", "own", &issuer, &[names(&[NAME])]).signed_by(&issuer),
        Spec::v1("own", "own", &issuer).signed_by(&issuer),
    ] {
        for refusal in both(&certificate, &other).await {
            let refusal = refusal.expect_err("another key");
            assert!(refusal.contains("KeyMismatch; give the two that belong together"), "{refusal}");
        }
    }
}
