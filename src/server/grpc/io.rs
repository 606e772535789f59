//! The stream of a peer as hyper sees it: it begins with the preface, which has already been read; frames pass the
//! filter; and the close is graceful.

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

/// How long a connection that was shut down waits for the peer to close it too.
const LINGER: Duration = Duration::from_secs(1);

/// How long a header block may take to arrive completely: h2 holds up to some megabytes of an incomplete one.
const BLOCK_PATIENCE: Duration = Duration::from_secs(10);

/// A stream whose preface has been read.
///
/// Closing a socket that has unread bytes resets the connection, and the peer may then discard the last responses. A
/// peer that has not read our GOAWAY yet continues to send. So after the last response only the sending side is closed,
/// and further bytes are discarded until the peer closes or [`LINGER`] has elapsed.
#[derive(Debug)]
pub(super) struct PeerIo<T> {
    inner: T,
    /// How many bytes of the preface have been read from this.
    replayed: usize,
    inbound: Inbound,
    outbound: Outbound,
    peer: PeerContext,
    /// Set while a header block is incomplete and more of it is awaited.
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
    /// Discards what the peer sends; ready when the peer has closed or reset the connection.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut discarded = [MaybeUninit::uninit(); 4096];
        loop {
            let mut discarded = ReadBuf::uninit(&mut discarded);
            match ready!(Pin::new(&mut self.inner).poll_read(cx, &mut discarded)) {
                Ok(()) if !discarded.filled().is_empty() => {}
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
                let detail = "the headers of a call have not arrived completely within ten seconds";
                this.peer.reject(Reason::Incomplete, &detail);
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
        // A read is pending at the end of a turn (see `turn`), so the timer is polled even if the peer sends for ever.
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
    async fn the_preface_is_read_first() {
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
    async fn an_incomplete_header_block_times_out() {
        for front in [&b"\0\0\x01\x01\0\0\0\0\x01\x83"[..], b"\0\0\x09\x01\x04\0\0\0\x01\x83"] {
            let (near, mut far) = duplex(1024);
            let peer = peer();
            let mut io = PeerIo::new(near, peer.clone());
            let start = tokio::time::Instant::now();
            far.write_all(front).await.expect("room");
            let mut read = Vec::new();
            let error = io.read_to_end(&mut read).await.expect_err("it takes too long");
            assert_eq!((error.kind(), start.elapsed()), (io::ErrorKind::TimedOut, BLOCK_PATIENCE));
            assert_eq!(peer.rejections.total(crate::rejections::Api::Rls, Reason::Incomplete), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_timeout_does_not_apply_between_header_blocks() {
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
        ended.expect("the block, and the ping after it");
    }

    #[tokio::test]
    async fn shutdown_waits_for_the_peer_but_not_for_ever() {
        let (near, mut far) = duplex(64);
        let mut io = PeerIo::new(near, peer());
        let peer_that_closes = async move {
            assert_eq!(far.read(&mut [0; 8]).await.expect("readable"), 0, "it sees the end of the stream at once");
            far.write_all(&[0; 1000]).await.expect("read and discarded");
        };
        let (shut, ()) = tokio::join!(io.shutdown(), peer_that_closes);
        shut.expect("shut down");

        let (near, far) = duplex(64);
        PeerIo::new(near, peer()).shutdown().await.expect("shut down, although the peer does not close");
        drop(far);
    }
}
