//! Remembers how a connection fared: whether the server has said anything, and how it ended. HTTP/2 says of its streams
//! only that they are closed, and not that a server wants a certificate.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::watch,
};

/// How a connection has fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The server has said nothing yet.
    Silent,
    /// It has: so it takes us for a client.
    Heard,
    /// The connection is over, for this reason.
    Over(String),
}

/// A connection that is watched.
#[derive(Debug)]
pub(super) struct Witness<IO> {
    io: IO,
    fate: watch::Sender<Fate>,
}

impl<IO: AsyncRead + Unpin> Witness<IO> {
    pub(super) fn new(io: IO) -> (Self, watch::Receiver<Fate>) {
        let (fate, following) = watch::channel(Fate::Silent);
        (Self { io, fate }, following)
    }

    fn heard(&self) {
        self.fate.send_if_modified(|fate| {
            let is_first = *fate == Fate::Silent;
            if is_first {
                *fate = Fate::Heard;
            }
            is_first
        });
    }

    /// What comes first is the cause of what follows.
    fn over(&self, reason: impl FnOnce() -> String) {
        self.fate.send_if_modified(|fate| {
            let is_first = !matches!(fate, Fate::Over(_));
            if is_first {
                *fate = Fate::Over(reason());
            }
            is_first
        });
    }

    fn wrote<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &outcome {
            // a server that refuses us says why before it hangs up, and that may be unread still
            let mut unread = [0; 256];
            match Pin::new(&mut self.io).poll_read(cx, &mut ReadBuf::new(&mut unread)) {
                Poll::Ready(Err(refusal)) => self.over(|| refusal.to_string()),
                // or be there, and the runtime has not noticed: it will, and connecting has a deadline in any case
                Poll::Pending if *self.fate.borrow() == Fate::Silent => return Poll::Pending,
                Poll::Pending | Poll::Ready(Ok(())) => {}
            }
            self.over(|| error.to_string());
        }
        outcome
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Witness<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let (room, before) = (buf.remaining(), buf.filled().len());
        let outcome = Pin::new(&mut this.io).poll_read(cx, buf);
        match &outcome {
            Poll::Ready(Ok(())) if buf.filled().len() > before => this.heard(),
            Poll::Ready(Ok(())) if room > 0 => this.over(|| "the server closed the connection".to_owned()),
            Poll::Ready(Err(error)) => this.over(|| error.to_string()),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        outcome
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Witness<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_write(cx, buf);
        this.wrote(cx, outcome)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_flush(cx);
        this.wrote(cx, outcome)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
