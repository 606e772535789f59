//! TLS clients, and calls to Tollgate over TLS.

use std::{io, net::SocketAddr, sync::Arc};

use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_service_client::RateLimitServiceClient;
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{Status, transport::Endpoint};
use tower::service_fn;

use crate::{
    certificates::Pem,
    rls::{self, Rls},
};

/// The name in the server certificates of the tests.
pub const SERVER: &str = "tollgate.example";

/// A client configuration that trusts `ca` and presents `identity`.
pub fn config(ca: &str, identity: Option<&Pem>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(ca.as_bytes()).map(|one| one.expect("PEM")));
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(Pem { certificate, key }) => {
            let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).map(|one| one.expect("PEM")).collect();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
            builder.with_client_auth_cert(chain, key).expect("an identity")
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// Does the client's part of a handshake. With TLS 1.3 the server may still reject the client afterwards.
pub async fn handshake<IO>(io: IO, config: &Arc<ClientConfig>) -> io::Result<TlsStream<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let name = SERVER.try_into().expect("a name");
    TlsConnector::from(Arc::clone(config)).connect(name, io).await
}

/// A client with one connection, which is re-established if it breaks.
pub fn client(address: SocketAddr, config: &Arc<ClientConfig>) -> Rls {
    let config = Arc::clone(config);
    let connector = service_fn(move |_| {
        let config = Arc::clone(&config);
        async move { handshake(TcpStream::connect(address).await?, &config).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_shared(format!("http://{SERVER}")).expect("an address");
    RateLimitServiceClient::new(endpoint.connect_with_connector_lazy(connector))
}

pub async fn call(client: &mut Rls) -> Result<(), Status> {
    client.should_rate_limit(rls::request("d", &[&[("k", "v")]])).await.map(drop)
}

/// Connects, makes one call, and disconnects.
pub async fn call_once(address: SocketAddr, config: &Arc<ClientConfig>) -> Result<(), Status> {
    call(&mut client(address, config)).await
}
