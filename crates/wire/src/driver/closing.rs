//! The last steps of a connection: the rest is sent, the sending side is closed, and what still arrives is discarded
//! for a moment.
//!
//! Closing a socket with unread bytes resets it, and a reset can overtake the last responses on their way to the peer.
//! A peer that has not read our GOAWAY yet still sends.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use super::unsent::Unsent;

/// How long the peer may take none of the rest, and how long it may then take to close its side.
const LINGER: Duration = Duration::from_secs(1);

/// How long the peer may take for all of the rest, which is small: this bounds a peer that takes a byte per second.
const MAX_LINGER: Duration = Duration::from_secs(30);

/// The state of closing.
#[derive(Debug)]
pub(super) struct Closing {
    timer: Pin<Box<Sleep>>,
    until: Instant,
    /// The number of bytes that were left at the last check.
    left: usize,
    is_sent: bool,
    is_shut: bool,
}

impl Closing {
    /// Begins with this many bytes left to send.
    pub(super) fn new(left: usize) -> Self {
        Self {
            timer: Box::pin(sleep(LINGER)),
            until: Instant::now() + MAX_LINGER,
            left,
            is_sent: false,
            is_shut: false,
        }
    }

    /// Ready when the connection can be dropped.
    pub(super) fn poll<T: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut T,
        unsent: &mut Unsent,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.is_sent {
            let sent = unsent.poll_send(io, cx);
            if unsent.len() < self.left {
                // a slow peer gets its last responses as long as it takes some of them
                self.left = unsent.len();
                self.timer.as_mut().reset(self.until.min(Instant::now() + LINGER));
            }
            self.is_sent = sent?.is_ready();
        }
        if self.timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        if !self.is_sent {
            return Poll::Pending;
        }
        if !self.is_shut {
            ready!(Pin::new(&mut *io).poll_shutdown(cx))?;
            self.is_shut = true;
        }
        poll_discard(io, cx).map(Ok)
    }
}

/// Ready when the peer has closed or broken the connection.
fn poll_discard<T: AsyncRead + Unpin>(io: &mut T, cx: &mut Context<'_>) -> Poll<()> {
    let mut waste = [MaybeUninit::uninit(); 4096];
    loop {
        let mut waste = ReadBuf::uninit(&mut waste);
        match ready!(Pin::new(&mut *io).poll_read(cx, &mut waste)) {
            Ok(()) if !waste.filled().is_empty() => {}
            _ => return Poll::Ready(()),
        }
    }
}
