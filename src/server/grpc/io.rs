//! A peer's stream as hyper sees it: the preface that was read already comes first, frames pass the filter, and the
//! close is graceful.

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
use crate::rejections::Reason;

/// How long a closed connection waits for the peer to close too.
const LINGER: Duration = Duration::from_secs(1);

/// How long a header block may take to come whole: h2 keeps some megabytes for one that is large.
const BLOCK_PATIENCE: Duration = Duration::from_secs(10);

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
    /// While a header block is incomplete, and the peer was waited for.
    block: Option<Pin<Box<Sleep>>>,
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
        Self { inner, replayed: 0, inbound, outbound, peer, block: None, end: End::Open }
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
        let polled = this.inbound.poll_read(Pin::new(&mut this.inner), cx, buf);
        if !this.inbound.is_within_block() {
            this.block = None;
        } else if polled.is_pending() {
            let timer = this.block.get_or_insert_with(|| Box::pin(sleep(BLOCK_PATIENCE)));
            if timer.as_mut().poll(cx).is_ready() {
                this.peer.reject(Reason::Incomplete, &"the headers of a call have not come whole within ten seconds");
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        polled
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

    #[tokio::test(start_paused = true)]
    async fn a_header_block_that_does_not_end_ends_the_connection() {
        for begun in [&b"\0\0\x01\x01\0\0\0\0\x01\x83"[..], b"\0\0\x09\x01\x04\0\0\0\x01\x83"] {
            let (near, mut far) = duplex(1024);
            let peer = peer();
            let mut io = PeerIo::new(near, peer.clone());
            let start = tokio::time::Instant::now();
            far.write_all(begun).await.expect("room");
            let mut read = Vec::new();
            let error = io.read_to_end(&mut read).await.expect_err("it takes too long");
            assert_eq!((error.kind(), start.elapsed()), (io::ErrorKind::TimedOut, BLOCK_PATIENCE));
            assert_eq!(peer.rejections.total(crate::rejections::Api::Rls, Reason::Incomplete), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_block_that_ends_and_a_silent_peer_take_what_time_they_like() {
        let (near, mut far) = duplex(1024);
        let mut io = PeerIo::new(near, peer());
        let mut read = vec![0; PREFACE.len() + 10 + 9 + 17];
        let (ended, ()) = tokio::join!(io.read_exact(&mut read), async {
            far.write_all(b"\0\0\x01\x01\0\0\0\0\x01\x83").await.expect("room");
            sleep(BLOCK_PATIENCE / 2).await;
            far.write_all(b"\0\0\0\x09\x04\0\0\0\x01").await.expect("room");
            sleep(BLOCK_PATIENCE * 3).await;
            far.write_all(b"\0\0\x08\x06\0\0\0\0\0.a ping.").await.expect("room");
        });
        ended.expect("the block, and what comes later");
    }

    #[tokio::test]
    async fn the_end_waits_for_the_peer_but_not_for_ever() {
        let (near, mut far) = duplex(64);
        let mut io = PeerIo::new(near, peer());
        let polite = async move {
            assert_eq!(far.read(&mut [0; 8]).await.expect("readable"), 0, "sees the end at once");
            far.write_all(&[0; 1000]).await.expect("taken and thrown away");
        };
        let (shut, ()) = tokio::join!(io.shutdown(), polite);
        shut.expect("shut down");

        let (near, far) = duplex(64);
        PeerIo::new(near, peer()).shutdown().await.expect("shut down, though the peer stays");
        drop(far);
    }
}
