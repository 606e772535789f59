//! Handshakes with a peer that presents what it is given, whether it makes sense or not.

use std::{
    fs,
    sync::{Arc, LazyLock},
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SignatureScheme, SupportedProtocolVersion,
    client::ResolvesClientCert,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tempfile::TempDir;
use tls::{
    ClientAuthority, ClientFiles, ClientStats, ClientTls, Gate, Identity, ServerFiles, ServerTls, client_config,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::forge::{Key, P256, Spec, names, pem};

pub const NAME: &str = "peer.test.example";

pub const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A certificate with the others sent along, and a key that may belong to another.
#[derive(Debug)]
pub struct Shown(Arc<CertifiedKey>);

impl Shown {
    pub fn new(chain: &[CertificateDer<'static>], key: &Key) -> Arc<Self> {
        let signing = key.signing.clone().expect("a key that can sign");
        Arc::new(Self(Arc::new(CertifiedKey::new(chain.to_vec(), signing))))
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Presents it as a server to our client, which trusts these certificates and verifies the name if `verify` is set.
/// Returns our client's error.
pub async fn as_server(
    shown: &Arc<Shown>,
    trusted: &[CertificateDer<'static>],
    verify_hostname: bool,
    version: &'static SupportedProtocolVersion,
    name: &str,
) -> Result<(), String> {
    let directory = tempfile::tempdir().expect("a directory");
    let ca = directory.path().join("ca.crt");
    fs::write(&ca, pem(trusted)).expect("a file");
    let files = ClientFiles { ca: Some(ca), identity: None, verify_hostname };
    let client = client_config(&files).map_err(|error| error.to_string())?;
    let server = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(shown) as _);
    let (near, far) = UnixStream::pair().expect("a pair");
    let serve = async {
        let Ok(mut stream) = TlsAcceptor::from(Arc::new(server)).accept(far).await else { return };
        // until the client closes
        let _ = stream.read_u8().await;
    };
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let connect = async {
        let client = ClientTls::new(client, Arc::new(ClientStats::new("test")));
        let connected = client.connect(name, near, "the test", std::future::pending()).await;
        connected.map(drop).map_err(|error| error.to_string())
    };
    tokio::join!(connect, serve).0
}

/// A listener of ours that accepts clients with a certificate by these authorities, for a name if one is given.
pub struct Listener {
    tls: ServerTls,
    own: CertificateDer<'static>,
    _directory: TempDir,
}

impl Listener {
    pub fn new(trusted: &[CertificateDer<'static>], name: Option<&str>) -> Result<Self, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        static KEY: LazyLock<Key> = LazyLock::new(|| Key::new(P256));
        let own = Spec::new("own", "own", &KEY, &[names(&[NAME])]).signed_by(&KEY);
        for (file, content) in
            [("ca.crt", pem(trusted)), ("tls.crt", pem(std::slice::from_ref(&own))), ("tls.key", KEY.pem.clone())]
        {
            fs::write(path(file), content).expect("a file");
        }
        let name = name.map(|name| ServerName::try_from(name.to_owned()).expect("a name"));
        let identity = Identity { certificate: path("tls.crt"), key: path("tls.key") };
        let files = ServerFiles { identity, clients: Some(ClientAuthority { ca: path("ca.crt"), name }) };
        let tls = ServerTls::load("grpc", files, &[]).map_err(|error| error.to_string())?;
        Ok(Self { tls, own, _directory: directory })
    }

    /// Presents it as a client. Returns our listener's error.
    pub async fn shown(&self, shown: &Arc<Shown>, version: &'static SupportedProtocolVersion) -> Result<(), String> {
        let mut roots = RootCertStore::empty();
        roots.add(self.own.clone()).expect("a root");
        let client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(roots)
            .with_client_cert_resolver(Arc::clone(shown) as _);
        let (near, far) = UnixStream::pair().expect("a pair");
        let connect = async {
            let name = ServerName::try_from(NAME).expect("a name");
            let Ok(mut stream) = TlsConnector::from(Arc::new(client)).connect(name, far).await else { return };
            let _ = stream.write_u8(0).await;
            let _ = stream.read_u8().await;
        };
        let gate = Gate::default();
        let accept = async {
            let accepted = self.tls.accept(near, "the test", &gate, std::future::pending()).await;
            accepted.map(drop).map_err(|error| error.to_string())
        };
        tokio::join!(accept, connect).0
    }
}
