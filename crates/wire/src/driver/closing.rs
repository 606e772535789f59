//! The last steps of a connection: what is left to send is sent, the sending side is closed, and what still comes is
//! thrown away for a moment.
//!
//! Closing a socket that has unread bytes resets it, and a reset can overtake the last answers on their way to the
//! peer. A peer that has not read our GOAWAY yet does go on sending.

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

/// How long the peer may take nothing of what is left, and then not close its side.
const LINGER: Duration = Duration::from_secs(1);

/// How long a peer may take for all that is left, which is little: one that takes a byte a second is not waited for.
const LONGEST: Duration = Duration::from_secs(30);

/// How far it has come.
#[derive(Debug)]
pub(super) struct Closing {
    timer: Pin<Box<Sleep>>,
    until: Instant,
    /// Bytes that the peer had not taken the last time.
    left: usize,
    is_sent: bool,
    is_shut: bool,
}

impl Closing {
    /// When so many bytes are left to be sent.
    pub(super) fn new(left: usize) -> Self {
        Self { timer: Box::pin(sleep(LINGER)), until: Instant::now() + LONGEST, left, is_sent: false, is_shut: false }
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
                // a slow peer gets its last answers, as long as it takes some of them
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
