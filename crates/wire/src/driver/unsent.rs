//! Bytes that the transport has not taken yet.

use std::{
    io::{self, ErrorKind},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use tokio::io::AsyncWrite;

use crate::pace::Pace;

/// A larger buffer is released once everything is sent.
const KEPT: usize = 512;

/// Bytes that the transport has not taken yet, in order.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
    /// Whether the transport may hold bytes that it has taken but not flushed.
    is_unflushed: bool,
    /// How fast the transport takes bytes, while some are left or unflushed.
    pace: Option<Pace>,
}

impl Unsent {
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Since when bytes have been left or unflushed and too few were taken.
    pub(super) fn since(&self) -> Option<Instant> {
        self.pace.map(Pace::since)
    }

    /// Appends bytes to what is left.
    pub(super) fn append(&mut self, new: &mut Vec<u8>) {
        self.bytes.append(new);
    }

    /// Sends what is left and then `new`; keeps what is not taken. Ready when nothing is left.
    pub(super) fn poll_send_all<T: AsyncWrite + Unpin>(
        &mut self,
        new: &mut Vec<u8>,
        now: Instant,
        io: &mut T,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let all = self.len() + new.len();
        let mut taken = 0;
        if self.len() == 0 {
            while taken < new.len() {
                match Pin::new(&mut *io).poll_write(cx, &new[taken..]) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(n)) => taken += n,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => break,
                }
            }
            self.is_unflushed |= taken > 0;
        }
        if self.sent > self.bytes.len() / 2 {
            // bytes that were sent must be removed even if there is always something left
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        self.bytes.extend_from_slice(&new[taken..]);
        new.clear();
        let sent = if taken > 0 && self.len() > 0 { Poll::Pending } else { self.poll_send(io, cx) };
        let waits = self.len() > 0 || self.is_unflushed;
        let pace = self.pace.map_or(Pace::new(now), |pace| pace.took(all - self.len(), now));
        self.pace = waits.then_some(pace);
        sent
    }

    /// Sends what is left. Ready when nothing is left.
    pub(super) fn poll_send<T: AsyncWrite + Unpin>(
        &mut self,
        io: &mut T,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.sent < self.bytes.len() {
            let n = ready!(Pin::new(&mut *io).poll_write(cx, &self.bytes[self.sent..]))?;
            if n == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.sent += n;
            self.is_unflushed = true;
        }
        if self.sent > 0 {
            self.sent = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEPT {
                self.bytes = Vec::new();
            }
        }
        if self.is_unflushed {
            ready!(Pin::new(io).poll_flush(cx))?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Takes `room` bytes, then none until there is room again.
    #[derive(Default)]
    struct Slow {
        room: usize,
        taken: Vec<u8>,
        is_unflushed: bool,
    }

    impl AsyncWrite for Slow {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.room);
            if taken == 0 {
                return Poll::Pending;
            }
            self.room -= taken;
            self.taken.extend_from_slice(&bytes[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            if self.is_unflushed { Poll::Pending } else { Poll::Ready(Ok(())) }
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn send(unsent: &mut Unsent, new: &[u8], now: Instant, io: &mut Slow) -> bool {
        let cx = &mut Context::from_waker(Waker::noop());
        let sent = unsent.poll_send_all(&mut new.to_vec(), now, io, cx);
        assert!(!matches!(sent, Poll::Ready(Err(_))));
        sent.is_ready()
    }

    #[test]
    fn bytes_taken_slowly_arrive_complete_and_sent_bytes_are_removed() {
        let (mut unsent, mut io, now) = (Unsent::default(), Slow::default(), Instant::now());
        let mut expected = Vec::new();
        for n in 0..10_000_u32 {
            // everything is taken, but there is always something left
            io.room += if n == 0 { 50 } else { 100 };
            let new = [n as u8; 100];
            expected.extend(new);
            assert!(!send(&mut unsent, &new, now, &mut io));
            assert_eq!(unsent.len(), 50);
            assert!(unsent.bytes.len() <= 400, "{}", unsent.bytes.len());
        }
        io.room = 50;
        assert!(send(&mut unsent, &[], now, &mut io));
        assert!(io.taken == expected && unsent.bytes.is_empty());
    }

    #[test]
    fn the_patience_with_a_peer_starts_when_it_takes_too_little() {
        let (mut unsent, mut io, start) = (Unsent::default(), Slow::default(), Instant::now());
        let later = |seconds| start + std::time::Duration::from_secs(seconds);
        send(&mut unsent, &[1; 2000], start, &mut io);
        assert_eq!(unsent.since(), Some(start));
        send(&mut unsent, &[1; 2000], later(1), &mut io);
        assert_eq!(unsent.since(), Some(start));
        for (room, since) in [(1023, start), (1, later(2)), (1023, later(2))] {
            io.room = room;
            send(&mut unsent, &[], later(2), &mut io);
            assert_eq!(unsent.since(), Some(since), "{room}");
        }
        io.room = 1953;
        io.is_unflushed = true;
        assert!(!send(&mut unsent, &[], later(3), &mut io));
        assert_eq!(unsent.since(), Some(later(3)), "the transport holds some of it");
        io.is_unflushed = false;
        assert!(send(&mut unsent, &[], later(4), &mut io));
        assert_eq!(unsent.since(), None);
    }
}
