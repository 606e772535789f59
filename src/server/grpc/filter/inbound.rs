//! The bytes from a peer to h2, in which every `:authority` that h2 would reject is replaced.
//!
//! Bytes are read into the caller's buffer and examined there. Only the front of a HEADERS frame is held back, until
//! its pseudo-headers have arrived; nothing of a block is stored after it has passed.

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

/// A buffer of held bytes with more capacity than this is freed once it is empty.
const KEPT: usize = 512;

/// The state of one connection.
#[derive(Debug, Default)]
pub(in super::super) struct Inbound {
    walk: Walk,
    /// Bytes held back. The first `ready` bytes are to be delivered next; the others begin with a frame.
    pub(super) held: Vec<u8>,
    /// How many bytes of `held` can be delivered. Zero unless the caller's buffer was too small.
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
                // The end of the stream: the held bytes, which are in the buffer, pass unchanged.
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

    /// Whether a header block has begun and not ended: h2 then holds a part of it, decoded.
    pub(in super::super) fn is_within_block(&self) -> bool {
        // the type of a frame that is held back is its fourth byte
        self.walk.within_block || self.held.get(self.ready + 3) == Some(&kind::HEADERS)
    }

    fn deliver(&mut self, buf: &mut ReadBuf<'_>) {
        let length = self.ready.min(buf.remaining());
        buf.put_slice(&self.held[..length]);
        self.held.drain(..length);
        self.ready -= length;
        self.release();
    }

    /// Reads into `held`, because the held bytes alone would fill the caller's buffer.
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

/// The result of examining some bytes: the first `read` bytes were replaced in place by the first `written` bytes,
/// which can be delivered; the others must wait for more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Passed {
    read: usize,
    written: usize,
}

/// Examines a stream of bytes frame by frame.
#[derive(Debug, Default)]
struct Walk {
    /// The number of remaining bytes of the current frame, which pass unchanged.
    rest: usize,
    /// Whether the last header block has not ended yet.
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
