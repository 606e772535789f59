//! Handshakes with servers, counted; failed ones are logged at a bounded rate.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use metrics::{Collect, Families, Family};
use rustls::{ClientConfig, Error, ProtocolVersion, pki_types::ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{HandshakeError, Reason, tally::Tally};

const HANDSHAKES: Family =
    Family::counter("tollgate_tls_client_handshakes_total", "TLS handshakes with servers that succeeded.", &["server"]);
const FAILURES: Family = Family::counter(
    "tollgate_tls_client_handshake_failures_total",
    "TLS handshakes with servers that failed, by reason.",
    &["server", "reason"],
);

/// Counts of the handshakes with one kind of server.
#[derive(Debug)]
pub struct ClientStats {
    server: &'static str,
    tally: Tally,
}

impl ClientStats {
    /// `server` is the kind of server, as metrics and logs name it: `redis`, `xds`.
    #[must_use]
    pub fn new(server: &'static str) -> Self {
        Self { server, tally: Tally::default() }
    }

    /// The kind of server, as metrics and logs name it.
    #[must_use]
    pub fn server(&self) -> &'static str {
        self.server
    }

    /// Handshakes that succeeded: the server sent data after them.
    #[must_use]
    pub fn handshakes(&self) -> u64 {
        self.tally.handshakes()
    }

    /// Handshakes that failed, by reason.
    #[must_use]
    pub fn failures(&self) -> [(Reason, u64); Reason::OF_CLIENTS.len()] {
        Reason::OF_CLIENTS.map(|reason| (reason, self.tally.failures(reason)))
    }

    /// Exports the counts with `server` as the label, if that has to differ from the name in logs.
    pub fn collect_of(&self, server: &str, families: &mut Families) {
        families.add(&HANDSHAKES, &[server], self.handshakes());
        for (reason, count) in self.failures() {
            families.add(&FAILURES, &[server, reason.name()], count);
        }
    }

    fn failed(&self, peer: &str, error: &HandshakeError) {
        let (server, reason, cause) = (self.server, error.reason.name(), error.cause());
        match self.tally.failed(error.reason) {
            Some(count) => tracing::warn!(
                server,
                peer,
                reason,
                count,
                "the TLS handshake failed: {cause} (counted in tollgate_tls_client_handshake_failures_total)"
            ),
            None => tracing::debug!(server, peer, reason, "the TLS handshake failed: {cause}"),
        }
    }
}

impl Collect for ClientStats {
    fn collect(&self, families: &mut Families) {
        self.collect_of(self.server, families);
    }
}

/// Performs TLS handshakes with one kind of server.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    stats: Arc<ClientStats>,
}

impl ClientTls {
    /// Handshakes use `config` and are counted in `stats`.
    #[must_use]
    pub fn new(config: ClientConfig, stats: Arc<ClientStats>) -> Self {
        Self { config: Arc::new(config), stats }
    }

    /// The counts of these handshakes.
    #[must_use]
    pub fn stats(&self) -> &ClientStats {
        &self.stats
    }

    /// Performs the handshake of a connection to `peer` (its address in logs), or gives up when `cancelled` resolves.
    /// The server's certificate must be for `name`, unless the configuration does not verify names.
    ///
    /// # Errors
    /// If the handshake fails; giving up is [`Reason::Timeout`].
    pub async fn connect<IO>(
        &self,
        name: ServerName<'static>,
        io: IO,
        peer: &str,
        cancelled: impl Future<Output = ()>,
    ) -> Result<ClientStream<IO>, HandshakeError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let connecting = TlsConnector::from(Arc::clone(&self.config)).connect(name, io);
        let connected = tokio::select! {
            biased;
            connected = connecting => connected,
            () = cancelled => Err(io::ErrorKind::TimedOut.into()),
        };
        match connected {
            Ok(stream) => {
                let pending = Some((Arc::clone(&self.stats), peer.into()));
                Ok(ClientStream { stream, pending })
            }
            Err(error) => {
                let error = HandshakeError::with_server(error);
                self.stats.failed(peer, &error);
                Err(error)
            }
        }
    }
}

/// A secured connection. In TLS 1.3 a server may refuse the client's certificate after the handshake is complete from
/// the client's view. Therefore the first read decides how the handshake is counted: in TLS 1.3, as a success if it
/// returns bytes of the server, and as a failure if it returns an error or the end of the stream.
#[derive(Debug)]
pub struct ClientStream<IO> {
    stream: TlsStream<IO>,
    /// Where the handshake is to be counted, and the peer's address; `None` once it is counted.
    pending: Option<(Arc<ClientStats>, Box<str>)>,
}

impl<IO> ClientStream<IO> {
    /// Counts the handshake by the outcome of the first read. Later reads change nothing.
    fn count(&mut self, outcome: &io::Result<()>, bytes: usize) {
        let Some((stats, peer)) = self.pending.take() else { return };
        let is_of_tls13 = self.stream.get_ref().1.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        let failure = match outcome {
            // in TLS 1.2, the server has accepted the certificate with its `Finished`
            Ok(()) if bytes > 0 || !is_of_tls13 => None,
            Ok(()) => Some(io::ErrorKind::UnexpectedEof.into()),
            Err(error) => match alert(error) {
                Some(refusal) => Some(io::Error::other(refusal)),
                None => is_of_tls13.then(|| error.kind().into()),
            },
        };
        match failure {
            Some(error) => stats.failed(&peer, &HandshakeError::with_server(error)),
            None => stats.tally.finished(),
        }
    }
}

/// The alert with which the server ended the connection, if the error is one.
fn alert(error: &io::Error) -> Option<Error> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    matches!(error, Error::AlertReceived(_)).then(|| error.clone())
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for ClientStream<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let outcome = Pin::new(&mut this.stream).poll_read(cx, buf);
        if let Poll::Ready(outcome) = &outcome {
            this.count(outcome, buf.filled().len() - before);
        }
        outcome
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientStream<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_shows_its_own_number() {
        let stats = ClientStats::new("xds");
        for (times, reason) in (1..).zip(Reason::OF_CLIENTS) {
            let error = HandshakeError { reason, ..HandshakeError::with_server(io::ErrorKind::TimedOut.into()) };
            (0..times).for_each(|_| stats.failed("127.0.0.1:1", &error));
        }
        (0..10).for_each(|_| stats.tally.finished());
        assert_eq!(
            metrics::series(&stats),
            [
                r#"tollgate_tls_client_handshake_failures_total{server="xds",reason="certificate_expired"} 7"#,
                r#"tollgate_tls_client_handshake_failures_total{server="xds",reason="certificate_missing"} 5"#,
                r#"tollgate_tls_client_handshake_failures_total{server="xds",reason="certificate_name"} 8"#,
                r#"tollgate_tls_client_handshake_failures_total{server="xds",reason="certificate_untrusted"} 6"#,
                r#"tollgate_tls_client_handshake_failures_total{server="xds",reason="closed"} 2"#,
                r#"tollgate_tls_client_handshake_failures_total{server="xds",reason="not_tls"} 3"#,
                r#"tollgate_tls_client_handshake_failures_total{server="xds",reason="protocol"} 4"#,
                r#"tollgate_tls_client_handshake_failures_total{server="xds",reason="refused_by_server"} 9"#,
                r#"tollgate_tls_client_handshake_failures_total{server="xds",reason="timeout"} 1"#,
                r#"tollgate_tls_client_handshakes_total{server="xds"} 10"#,
            ]
        );
    }
}
