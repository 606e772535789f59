//! Connecting: a stream to an address, with TLS where it is configured.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream, lookup_host},
    time::{sleep, timeout},
};

use super::exchange::words;
use crate::HostPort;
use tls::{ClientStream, ClientTls, Reason};

/// A connection's stream.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<ClientStream<TcpStream>>),
}

impl Stream {
    /// Connects by TCP, and does the TLS handshake if TLS is configured. The error does not repeat the address.
    pub(super) async fn tcp(at: &HostPort, tls: Option<&ClientTls>, patience: Duration) -> Result<Self, Box<str>> {
        let stream = reach(at, patience).await?;
        // a call is one small write: it must not wait for the acknowledgement of the one before
        stream.set_nodelay(true).map_err(|error| words(&error))?;
        let Some(tls) = tls else { return Ok(Self::Tcp(stream)) };
        let name = ServerName::try_from(at.host.clone())
            .map_err(|_| format!("a certificate cannot be for the name {:?}", at.host))?;
        let peer = format!("{}:{}", at.host, at.port);
        match tls.connect(name, stream, &peer, sleep(patience)).await {
            Ok(stream) => Ok(Self::Tls(Box::new(stream))),
            Err(error) if error.reason == Reason::Timeout => Err(late("the TLS handshake", patience)),
            Err(error) => Err(format!("TLS handshake: {}", error.cause()).into()),
        }
    }

    /// Connects to a Unix socket.
    pub(super) async fn unix(path: &std::path::Path, patience: Duration) -> Result<Self, Box<str>> {
        let connecting = async { UnixStream::connect(path).await.map_err(|error| words(&error)) };
        in_time("connecting", patience, connecting).await.map(Self::Unix)
    }
}

/// Connects to the first address of the host that can be reached. Each address has an equal share of the time, so that
/// one that drops packets does not use up the time of the others.
async fn reach(at: &HostPort, patience: Duration) -> Result<TcpStream, Box<str>> {
    let resolving = async { lookup_host((at.host.as_str(), at.port)).await.map_err(|error| words(&error)) };
    let addresses: Vec<_> = in_time("resolving its name", patience, resolving).await?.collect();
    let share = patience / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut failed: Box<str> = "its name has no addresses".into();
    for address in addresses {
        let connecting = async { TcpStream::connect(address).await.map_err(|error| words(&error)) };
        match in_time("connecting", share, connecting).await {
            Ok(stream) => return Ok(stream),
            Err(reason) => failed = reason,
        }
    }
    Err(failed)
}

/// The result of a step, or an error that names the step (`what`) if it takes longer than `patience`.
async fn in_time<T>(
    what: &str,
    patience: Duration,
    coming: impl Future<Output = Result<T, String>>,
) -> Result<T, Box<str>> {
    match timeout(patience, coming).await {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(_) => Err(late(what, patience)),
    }
}

fn late(what: &str, patience: Duration) -> Box<str> {
    format!("{what} took longer than {patience:?}").into()
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
