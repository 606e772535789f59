//! The bytes from a peer on their way to h2, with every `:authority` that h2 would reject replaced.
//!
//! Bytes are read into the caller's buffer and looked at there. Only the front of a HEADERS frame is held back, until its
//! pseudo-headers have arrived; nothing is remembered of a block once it has passed.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use super::{
    block::{self, Verdict},
    frame::{Head, flag, kind},
};

/// Above this, the memory of bytes held back is given up once it is empty.
const KEPT: usize = 512;

/// The state of one connection.
#[derive(Debug, Default)]
pub(in super::super) struct Inbound {
    walk: Walk,
    /// Bytes held back. They begin with a frame, but for the first `ready` of them, which are due.
    pub(super) held: Vec<u8>,
    /// Zero unless the caller's buffer was too small.
    ready: usize,
}

impl Inbound {
    /// Like [`AsyncRead::poll_read`] of `io`.
    #[inline]
    pub(in super::super) fn poll_read<T: AsyncRead + Unpin>(
        &mut self,
        mut io: Pin<&mut T>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let start = buf.filled().len();
        while buf.remaining() > 0 {
            if self.ready > 0 {
                self.deliver(buf);
                break;
            }
            if self.held.len() >= buf.remaining() {
                ready!(self.poll_read_aside(io.as_mut(), cx))?;
                continue;
            }
            buf.put_slice(&self.held);
            let before = buf.filled().len();
            let read = io.as_mut().poll_read(cx, buf);
            if !matches!(read, Poll::Ready(Ok(()))) {
                buf.set_filled(start);
                return read;
            }
            if buf.filled().len() == before {
                // The end: what was held back is h2's to judge.
                self.held.clear();
                break;
            }
            let arrived = &mut buf.filled_mut()[start..];
            let passed = self.walk.pass(arrived);
            if passed.read < arrived.len() || !self.held.is_empty() {
                self.held.clear();
                self.held.extend_from_slice(&arrived[passed.read..]);
                self.release();
            }
            buf.set_filled(start + passed.written);
            if passed.written > 0 {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether a header block has begun and not ended: h2 keeps what it has of it, decoded.
    pub(in super::super) fn is_within_block(&self) -> bool {
        // of a frame that is held back, the type is its fourth byte
        self.walk.within_block || self.held.get(self.ready + 3) == Some(&kind::HEADERS)
    }

    fn deliver(&mut self, buf: &mut ReadBuf<'_>) {
        let length = self.ready.min(buf.remaining());
        buf.put_slice(&self.held[..length]);
        self.held.drain(..length);
        self.ready -= length;
        self.release();
    }

    /// Reads into the bytes held back, for those alone would fill the caller's buffer.
    #[cold]
    fn poll_read_aside<T: AsyncRead + Unpin>(&mut self, io: Pin<&mut T>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut aside = [MaybeUninit::uninit(); 2048];
        let mut aside = ReadBuf::uninit(&mut aside);
        ready!(io.poll_read(cx, &mut aside))?;
        if aside.filled().is_empty() {
            self.ready = self.held.len();
        } else {
            self.held.extend_from_slice(aside.filled());
            let passed = self.walk.pass(&mut self.held);
            self.held.drain(passed.written..passed.read);
            self.ready = passed.written;
        }
        Poll::Ready(Ok(()))
    }

    fn release(&mut self) {
        if self.held.is_empty() && self.held.capacity() > KEPT {
            self.held = Vec::new();
        }
    }
}

/// What became of some bytes: the first `read` of them have become the first `written`; the others wait for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Passed {
    read: usize,
    written: usize,
}

/// Goes from frame to frame.
#[derive(Debug, Default)]
struct Walk {
    /// Bytes of the frame at hand that pass as they are.
    rest: usize,
    /// The header block that began last has not ended.
    within_block: bool,
}

impl Walk {
    fn pass(&mut self, bytes: &mut [u8]) -> Passed {
        let mut at = Passed { read: 0, written: 0 };
        loop {
            let n = self.rest.min(bytes.len() - at.read);
            if at.read != at.written {
                bytes.copy_within(at.read..at.read + n, at.written);
            }
            at.read += n;
            at.written += n;
            self.rest -= n;
            let wire = &bytes[at.read..];
            let Some(head) = Head::parse(wire) else { return at };
            let verdict = if head.kind == kind::HEADERS { block::examine(wire, head) } else { Verdict::Pass };
            if verdict != Verdict::Wait && matches!(head.kind, kind::HEADERS | kind::CONTINUATION) {
                self.within_block = !head.has(flag::END_HEADERS);
            }
            match verdict {
                Verdict::Pass => self.rest = head.frame(),
                Verdict::Wait => return at,
                Verdict::Replace { consumed, bytes: new, rest } => {
                    bytes[at.written..at.written + new.len()].copy_from_slice(&new);
                    at.read += consumed;
                    at.written += new.len();
                    self.rest = rest;
                }
            }
        }
    }
}
