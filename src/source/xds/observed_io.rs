//! Observes the bytes of a connection: whether the server has sent any, and how the connection ended. HTTP/2 reports
//! only that a stream is closed, not that the server wants a client certificate.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::watch,
};

/// The observed state of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ConnectionState {
    /// The server has sent nothing yet.
    Silent,
    /// The server has sent something, so it accepts this client.
    Alive,
    /// The connection is closed, for this reason.
    Closed(String),
}

/// A connection whose reads and writes are observed.
#[derive(Debug)]
pub(super) struct ObservedIo<IO> {
    io: IO,
    state: watch::Sender<ConnectionState>,
}

impl<IO: AsyncRead + Unpin> ObservedIo<IO> {
    pub(super) fn new(io: IO) -> (Self, watch::Receiver<ConnectionState>) {
        let (state, observed) = watch::channel(ConnectionState::Silent);
        (Self { io, state }, observed)
    }

    fn alive(&self) {
        self.state.send_if_modified(|state| {
            let is_first = *state == ConnectionState::Silent;
            if is_first {
                *state = ConnectionState::Alive;
            }
            is_first
        });
    }

    /// Records why the connection is closed. The first reason is kept, because it causes the later ones.
    fn closed(&self, reason: impl FnOnce() -> String) {
        self.state.send_if_modified(|state| {
            let is_first = !matches!(state, ConnectionState::Closed(_));
            if is_first {
                *state = ConnectionState::Closed(reason());
            }
            is_first
        });
    }

    fn wrote<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &outcome {
            // A server that rejects this client sends the reason before it closes. It may still be unread.
            let mut unread = [0; 256];
            match Pin::new(&mut self.io).poll_read(cx, &mut ReadBuf::new(&mut unread)) {
                Poll::Ready(Err(rejection)) => self.closed(|| rejection.to_string()),
                // The reason may arrive later and wake this task; connecting has a deadline in any case.
                Poll::Pending if *self.state.borrow() == ConnectionState::Silent => return Poll::Pending,
                Poll::Pending | Poll::Ready(Ok(())) => {}
            }
            self.closed(|| error.to_string());
        }
        outcome
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for ObservedIo<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let (room, before) = (buf.remaining(), buf.filled().len());
        let outcome = Pin::new(&mut this.io).poll_read(cx, buf);
        match &outcome {
            Poll::Ready(Ok(())) if buf.filled().len() > before => this.alive(),
            Poll::Ready(Ok(())) if room > 0 => this.closed(|| "the server closed the connection".to_owned()),
            Poll::Ready(Err(error)) => this.closed(|| error.to_string()),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        outcome
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ObservedIo<IO> {
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
