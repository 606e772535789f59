//! The peer of a connection: its first bytes before the handshake, its certificate after it.

use std::{future::Future, io, sync::Arc};

use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::server::TlsStream;

/// The verified certificate of a client: the end entity's, in DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate(pub Arc<CertificateDer<'static>>);

impl PeerCertificate {
    /// The certificate of this connection's client; `None` if the listener requests none.
    #[must_use]
    pub fn of<IO>(stream: &TlsStream<IO>) -> Option<Self> {
        let (_, tls) = stream.get_ref();
        let own = tls.peer_certificates()?.first()?.clone().into_owned();
        Some(Self(Arc::new(own)))
    }
}

/// A stream that can wait for the peer's first bytes without reading them.
pub trait Peer: AsyncRead + AsyncWrite + Unpin {
    /// Resolves when there are bytes to read, or the peer has closed the connection.
    fn wait_readable(&self) -> impl Future<Output = io::Result<()>> + Send;
}

impl Peer for TcpStream {
    fn wait_readable(&self) -> impl Future<Output = io::Result<()>> + Send {
        self.readable()
    }
}

impl Peer for UnixStream {
    fn wait_readable(&self) -> impl Future<Output = io::Result<()>> + Send {
        self.readable()
    }
}
