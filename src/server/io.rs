//! A peer's stream as hyper sees it: the preface that was read already comes first, frames pass the filter, and the end is
//! gentle.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{
    filter::{Inbound, Outbound},
    peer::PeerContext,
    preface::PREFACE,
};

/// How long a closed connection waits for the peer to close too.
const LINGER: Duration = Duration::from_secs(1);

/// A stream whose preface has been read.
///
/// Closing a socket that has unread bytes resets it, and a reset can overtake the last answers on their way to the
/// peer. A peer that has not read our GOAWAY yet does go on sending; so after the last answer, the sending side is
/// closed and what still comes is thrown away, until the peer closes or [`LINGER`] is over.
#[derive(Debug)]
pub(super) struct PeerIo<T> {
    inner: T,
    replayed: usize,
    inbound: Inbound,
    outbound: Outbound,
    peer: PeerContext,
    end: End,
}

#[derive(Debug)]
enum End {
    Open,
    Lingering(Pin<Box<Sleep>>),
}

impl<T> PeerIo<T> {
    pub(super) fn new(inner: T, peer: PeerContext) -> Self {
        let (inbound, outbound) = (Inbound::default(), Outbound::default());
        Self { inner, replayed: 0, inbound, outbound, peer, end: End::Open }
    }
}

impl<T: AsyncRead + Unpin> PeerIo<T> {
    /// Ready when the peer has closed or broken the connection.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut waste = [MaybeUninit::uninit(); 4096];
        loop {
            let mut waste = ReadBuf::uninit(&mut waste);
            match ready!(Pin::new(&mut self.inner).poll_read(cx, &mut waste)) {
                Ok(()) if !waste.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for PeerIo<T> {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.replayed < PREFACE.len() {
            let rest = &PREFACE[this.replayed..];
            let n = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..n]);
            this.replayed += n;
            return Poll::Ready(Ok(()));
        }
        this.inbound.poll_read(Pin::new(&mut this.inner), cx, buf)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for PeerIo<T> {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Self { inner, outbound, peer, .. } = self.get_mut();
        let sent = ready!(Pin::new(inner).poll_write(cx, buf))?;
        outbound.sent(&buf[..sent], &mut |rejected| peer.reject_http2(rejected));
        Poll::Ready(Ok(sent))
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { inner, outbound, peer, .. } = self.get_mut();
        let sent = ready!(Pin::new(inner).poll_write_vectored(cx, bufs))?;
        let mut left = sent;
        for buf in bufs {
            let part = &buf[..buf.len().min(left)];
            outbound.sent(part, &mut |rejected| peer.reject_http2(rejected));
            left -= part.len();
        }
        Poll::Ready(Ok(sent))
    }

    #[inline]
    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let End::Open = this.end {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            this.end = End::Lingering(Box::pin(sleep(LINGER)));
        }
        // The discarding comes first, so that a peer that never stops sending still meets the timer.
        if this.poll_discard(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        match &mut this.end {
            End::Lingering(timer) => timer.as_mut().poll(cx).map(Ok),
            End::Open => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;
    use crate::rejections::PeerName;

    fn peer() -> PeerContext {
        PeerContext { name: PeerName::Unknown, rejections: Arc::default() }
    }

    #[tokio::test]
    async fn the_preface_comes_first() {
        let (near, mut far) = duplex(64);
        let mut io = PeerIo::new(near, peer());
        let frame = b"\0\0\x05\0\0\0\0\0\x01frame";
        far.write_all(frame).await.expect("room");
        let mut read = [0; PREFACE.len() + 14];
        io.read_exact(&mut read[..5]).await.expect("some of it");
        io.read_exact(&mut read[5..]).await.expect("the rest");
        assert_eq!(&read[..], [&PREFACE[..], frame].concat());
    }

    #[tokio::test]
    async fn the_end_waits_for_the_peer_but_not_for_ever() {
        let (near, mut far) = duplex(64);
        let mut io = PeerIo::new(near, peer());
        let polite = async move {
            assert_eq!(far.read(&mut [0; 8]).await.expect("readable"), 0, "told of the end at once");
            far.write_all(&[0; 1000]).await.expect("taken and thrown away");
        };
        let (shut, ()) = tokio::join!(io.shutdown(), polite);
        shut.expect("shut down");

        let (near, far) = duplex(64);
        PeerIo::new(near, peer()).shutdown().await.expect("shut down, though the peer stays");
        drop(far);
    }
}
