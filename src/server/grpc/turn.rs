//! Limits how much of a connection hyper reads before its calls run.
//!
//! h2 reads as long as there is something to read, then returns the calls that have arrived. Those calls run and take
//! their messages only when the connection's task yields. What h2 buffers until then is limited, in frames and not in
//! bytes, and beyond the limits h2 closes the connection: after a moment in which the worker did not run, it would
//! close connections of peers that did nothing wrong. So a turn, which is one poll of the connection, ends after a few
//! kilobytes. Under usual load it ends there anyway, because nothing is left to read.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// After this many bytes no further read begins in a turn. With the last read, of at most 16 KiB, that is 260 of the
/// smallest calls. h2 accepts 290 that end with an empty DATA frame, as those of hyper and .NET do: for each it charges
/// the difference between the message's length and 256 bytes to a budget of half the connection's window.
const MAX_BEFORE_READ: usize = 1 << 10;

/// The number of bytes read in the current turn, shared by the connection and its stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn(Arc<AtomicUsize>);

impl Turn {
    /// The connection, each poll of which is a turn.
    pub(super) fn each<C: Future>(&self, connection: Pin<Box<C>>) -> InTurns<C> {
        InTurns { turn: self.clone(), connection }
    }

    /// The stream of the connection, which is pending once [`MAX_BEFORE_READ`] bytes were read in the turn.
    pub(super) fn paced<T>(&self, inner: T) -> Paced<T> {
        Paced { inner, turn: self.clone() }
    }
}

/// See [`Turn::each`].
#[derive(Debug)]
pub(super) struct InTurns<C> {
    turn: Turn,
    connection: Pin<Box<C>>,
}

impl<C> InTurns<C> {
    /// The connection.
    pub(super) fn connection(&mut self) -> Pin<&mut C> {
        self.connection.as_mut()
    }
}

impl<C: Future> Future for InTurns<C> {
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        let this = self.get_mut();
        this.turn.0.store(0, Relaxed);
        this.connection.as_mut().poll(cx)
    }
}

/// See [`Turn::paced`].
#[derive(Debug)]
pub(super) struct Paced<T> {
    inner: T,
    turn: Turn,
}

impl<T: AsyncRead + Unpin> AsyncRead for Paced<T> {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { inner, turn } = self.get_mut();
        let read = turn.0.load(Relaxed);
        if read >= MAX_BEFORE_READ {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let polled = Pin::new(inner).poll_read(cx, buf);
        turn.0.store(read + buf.filled().len() - before, Relaxed);
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Paced<T> {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, bufs)
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
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn a_turn_ends_at_the_limit_and_the_next_one_is_scheduled() {
        let (near, mut far) = duplex(1 << 20);
        far.write_all(&vec![7; 100 << 10]).await.expect("room");
        drop(far);
        let turn = Turn::default();
        let mut paced = turn.paced(near);
        let (mut turns, mut all) = (0, Vec::new());
        let reading = Box::pin(async {
            let mut part = [0; 1000];
            while let Ok(1..) = paced.read(&mut part).await.inspect(|read| all.extend_from_slice(&part[..*read])) {}
        });
        let mut reading = turn.each(reading);
        poll_fn(|cx| {
            turns += 1;
            Pin::new(&mut reading).poll(cx)
        })
        .await;
        drop(reading);
        assert_eq!(all, vec![7; 100 << 10]);
        assert_eq!(turns, 52, "each reads two thousand bytes");
    }
}
