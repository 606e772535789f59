//! The bytes from h2 on their way to a peer, watched for what h2 rejects by itself.
//!
//! RST_STREAM and GOAWAY carry a code, and `:status` is in the header block: the protocol defines all of it, so that another
//! version of h2 cannot silence it.

use super::{
    frame::{HEAD, Head, kind},
    status::Statuses,
};

/// A longer header block is not looked at, nor any after it. Answers stay far below.
const MAX_BLOCK: usize = 16 << 10;

/// Streams that were answered with 431 and may yet be reset, which is no second rejection.
const MAX_ANSWERED: usize = 64;

// HTTP/2 error codes (RFC 9113, section 7) that are told apart.
const NO_ERROR: u32 = 0;
/// A peer broke the protocol.
pub(in super::super) const PROTOCOL_ERROR: u32 = 1;
const STREAM_CLOSED: u32 = 5;
/// More streams than may be open.
pub(in super::super) const REFUSED_STREAM: u32 = 7;

/// What h2 rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Rejected {
    /// A stream, with this code.
    Stream(u32),
    /// The connection, with this code.
    Connection(u32),
    /// A request whose headers are too large.
    HeadersTooLarge,
}

/// The state of one connection.
#[derive(Debug, Default)]
pub(in super::super) struct Outbound {
    /// Bytes of the frame at hand that are of no interest.
    rest: usize,
    /// The front of a frame that is of interest, or of one that is not known yet.
    partial: Vec<u8>,
    statuses: Statuses,
    answered: Vec<u32>,
    is_closing: bool,
}

impl Outbound {
    /// Looks at bytes that have been sent.
    #[inline]
    pub(in super::super) fn sent(&mut self, mut bytes: &[u8], rejected: &mut impl FnMut(Rejected)) {
        while !bytes.is_empty() {
            let skipped = self.rest.min(bytes.len());
            self.rest -= skipped;
            bytes = &bytes[skipped..];
            if self.partial.is_empty() {
                match self.frame(bytes, rejected) {
                    Some(length) => bytes = &bytes[length..],
                    None => {
                        self.partial.extend_from_slice(bytes);
                        return;
                    }
                }
            } else {
                bytes = self.complete(bytes, rejected);
            }
        }
    }

    /// Takes what the partial frame lacks.
    #[cold]
    fn complete<'a>(&mut self, bytes: &'a [u8], rejected: &mut impl FnMut(Rejected)) -> &'a [u8] {
        let whole = Head::parse(&self.partial).map_or(HEAD, |head| HEAD + looked_at(head));
        let (lacking, rest) = bytes.split_at((whole - self.partial.len()).min(bytes.len()));
        let mut partial = std::mem::take(&mut self.partial);
        partial.extend_from_slice(lacking);
        if self.frame(&partial, rejected).is_none() {
            self.partial = partial;
        }
        rest
    }

    /// Looks at the frame at the front and says how much of it that was; `None` if that part is incomplete.
    #[inline]
    fn frame(&mut self, bytes: &[u8], rejected: &mut impl FnMut(Rejected)) -> Option<usize> {
        let head = Head::parse(bytes)?;
        let end = HEAD + looked_at(head);
        let payload = bytes.get(HEAD..end)?;
        self.rest = head.frame() - end;
        match head.kind {
            kind::HEADERS | kind::CONTINUATION => {
                if self.statuses.too_large(payload, head) {
                    self.answer(head.stream);
                    rejected(Rejected::HeadersTooLarge);
                }
            }
            kind::RST_STREAM => {
                let code = number(payload);
                if self.is_rejection(head.stream, code) {
                    rejected(Rejected::Stream(code));
                }
            }
            kind::GOAWAY => {
                let code = number(payload.get(4..).unwrap_or_default());
                if code != NO_ERROR && !self.is_closing {
                    self.is_closing = true;
                    rejected(Rejected::Connection(code));
                }
            }
            _ => {}
        }
        Some(end)
    }

    fn answer(&mut self, stream: u32) {
        if self.answered.len() == MAX_ANSWERED {
            self.answered.remove(0);
        }
        self.answered.push(stream);
    }

    /// A stream may be reset without error once it is answered, and one that is closed already for what still comes in.
    fn is_rejection(&mut self, stream: u32, code: u32) -> bool {
        match code {
            NO_ERROR | STREAM_CLOSED => false,
            PROTOCOL_ERROR => match self.answered.iter().position(|answered| *answered == stream) {
                Some(position) => {
                    self.answered.swap_remove(position);
                    false
                }
                None => true,
            },
            _ => true,
        }
    }
}

/// How much of a frame's payload is looked at.
#[inline]
fn looked_at(head: Head) -> usize {
    match head.kind {
        kind::HEADERS | kind::CONTINUATION if head.length <= MAX_BLOCK => head.length,
        kind::RST_STREAM => head.length.min(4),
        kind::GOAWAY => head.length.min(8),
        _ => 0,
    }
}

/// The number in the first four bytes; zero if there are fewer, which h2 does not send.
fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
