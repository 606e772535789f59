//! Keys and signatures that Go has dropped too, or may have: they stay rejected.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    sync::Arc,
};

use rustls::{
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    version::TLS13,
};
use tls::{ClientFiles, ClientStats, ClientTls, client_config};
use tokio::net::TcpStream;

use super::{
    forge::{Key, P256, RSA_1024, RSA_2048, Spec, ca, names, not_ca, openssl, pem},
    shown::{Listener, NAME, Shown, as_server},
};

#[tokio::test]
async fn a_certificate_that_is_signed_with_sha_1() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, root, peer) = (|name: &str| directory.path().join(name), Key::new(RSA_2048), Key::new(RSA_2048));
    fs::write(path("root"), &root.pem).expect("a file");
    fs::write(path("peer"), &peer.pem).expect("a file");
    let [root_key, peer_key] = [path("root"), path("peer")].map(|path| path.display().to_string());
    let self_signed = format!("req -x509 -new -key {root_key} -subj /CN=root -days 2");
    fs::write(path("root.crt"), openssl(&self_signed, b"")).expect("a file");
    let root_certificate = path("root.crt").display().to_string();
    let issued = format!(
        "req -x509 -new -sha1 -key {peer_key} -subj /CN=peer -days 2 -CA {root_certificate} -CAkey {root_key} \
         -addext basicConstraints=CA:FALSE -addext subjectAltName=DNS:{NAME}"
    );
    let leaf = CertificateDer::from_pem_slice(&openssl(&issued, b"")).expect("a certificate");
    let trusted = [CertificateDer::from_pem_file(path("root.crt")).expect("a certificate")];
    let shown = Shown::new(&[leaf], &peer);
    let expected = "invalid peer certificate: UnsupportedSignatureAlgorithm (SHA-1 is one, P-224 another)";
    let refusal = as_server(&shown, &trusted, true, &TLS13, NAME).await.expect_err("as a server");
    assert_eq!(refusal, format!("certificate_untrusted: {expected}"));
    let refusal = Listener::new(&trusted, None).expect("a listener").shown(&shown, &TLS13).await.expect_err("a client");
    assert_eq!(refusal, format!("certificate_untrusted: {expected}"));
}

/// rustls cannot sign with it, so openssl is the server.
#[tokio::test]
async fn a_server_with_a_key_of_rsa_with_1024_bits() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let (root, peer) = (Key::new(P256), Key::new(RSA_1024));
    let trusted = Spec::new("root", "root", &root, &[ca(None)]).signed_by(&root);
    let leaf = Spec::new("root", "peer", &peer, &[not_ca(), names(&[NAME])]).signed_by(&root);
    for (file, content) in [("ca", pem(&[trusted])), ("crt", pem(&[leaf])), ("key", peer.pem)] {
        fs::write(path(file), content).expect("a file");
    }
    let mut server = Command::new("openssl")
        .args(["s_server", "-accept", "127.0.0.1:0", "-naccept", "1"])
        .args(["-cipher", "DEFAULT@SECLEVEL=0", "-cert"])
        .arg(path("crt"))
        .arg("-key")
        .arg(path("key"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl");
    let mut lines = BufReader::new(server.stdout.take().expect("piped")).lines();
    let address = lines.find_map(|line| line.expect("a line").strip_prefix("ACCEPT ").map(str::to_owned));
    let files = ClientFiles { ca: Some(path("ca")), identity: None, verify_hostname: true };
    let tls = ClientTls::new(client_config(&files).expect("a client"), Arc::new(ClientStats::new("test")));
    let stream = TcpStream::connect(address.expect("an address")).await.expect("connected");
    let name = ServerName::try_from(NAME).expect("a name");
    let refusal = tls.connect(name, stream, "the test", std::future::pending()).await.expect_err("refused");
    server.kill().expect("it runs");
    server.wait().expect("ended");
    let expected =
        "BadSignature (made with another key, or an RSA key of fewer than 2048 bits, which is not supported)";
    assert!(refusal.to_string().ends_with(expected), "{refusal}");
}
