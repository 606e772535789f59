//! Detects what h2 itself rejects, in the bytes that h2 sends to a peer.
//!
//! RST_STREAM and GOAWAY carry a code, and `:status` is in the header block: all of it is defined by the protocol, so
//! that it is also detected with another version of h2.

use super::{
    frame::{HEAD, Head, kind},
    status::Statuses,
};

/// Neither a header block that is longer than this is parsed, nor any after it. Responses are far shorter.
const MAX_BLOCK: usize = 16 << 10;

/// How many streams are stored that were answered with 431: a later reset of such a stream is not a second rejection.
const MAX_ANSWERED: usize = 64;

// HTTP/2 error codes (RFC 9113, section 7) that are counted by reason.
const NO_ERROR: u32 = 0;
/// The peer has violated the protocol.
pub(in super::super) const PROTOCOL_ERROR: u32 = 1;
const STREAM_CLOSED: u32 = 5;
/// The peer has opened more streams than it may.
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
    /// The number of remaining bytes of the current frame, which are skipped.
    rest: usize,
    /// The front of an incomplete frame that must be parsed, or whose head is incomplete.
    partial: Vec<u8>,
    statuses: Statuses,
    /// Streams that were answered with 431.
    answered: Vec<u32>,
    /// Whether a GOAWAY with an error was sent.
    is_closing: bool,
}

impl Outbound {
    /// Parses bytes that have been sent, and calls `rejected` for each rejection in them.
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

    /// Completes the partial frame from the front of `bytes`, and returns the rest of `bytes`.
    #[cold]
    fn complete<'a>(&mut self, bytes: &'a [u8], rejected: &mut impl FnMut(Rejected)) -> &'a [u8] {
        let whole = Head::parse(&self.partial).map_or(HEAD, |head| HEAD + parsed_length(head));
        let (lacking, rest) = bytes.split_at((whole - self.partial.len()).min(bytes.len()));
        let mut partial = std::mem::take(&mut self.partial);
        partial.extend_from_slice(lacking);
        if self.frame(&partial, rejected).is_none() {
            self.partial = partial;
        }
        rest
    }

    /// Parses the frame at the front of `bytes`. Returns the number of parsed bytes; `None` if some of them are
    /// missing.
    #[inline]
    fn frame(&mut self, bytes: &[u8], rejected: &mut impl FnMut(Rejected)) -> Option<usize> {
        let head = Head::parse(bytes)?;
        let end = HEAD + parsed_length(head);
        let payload = bytes.get(HEAD..end)?;
        self.rest = head.frame() - end;
        let found = match head.kind {
            kind::HEADERS | kind::CONTINUATION => {
                let is_too_large = self.statuses.too_large(payload, head);
                is_too_large.then(|| self.answered(head.stream))
            }
            kind::RST_STREAM => {
                let code = number(payload);
                self.is_rejection(head.stream, code).then_some(Rejected::Stream(code))
            }
            kind::GOAWAY => {
                let code = number(payload.get(4..).unwrap_or_default());
                // a connection is rejected once, even if several GOAWAY frames are sent
                let is_first = code != NO_ERROR && !self.is_closing;
                self.is_closing |= is_first;
                is_first.then_some(Rejected::Connection(code))
            }
            _ => None,
        };
        if let Some(found) = found {
            rejected(found);
        }
        Some(end)
    }

    /// Stores that a stream was answered with 431.
    fn answered(&mut self, stream: u32) -> Rejected {
        if self.answered.len() == MAX_ANSWERED {
            self.answered.remove(0);
        }
        self.answered.push(stream);
        Rejected::HeadersTooLarge
    }

    /// Whether the reset of a stream with this code is a rejection. It is not if the stream was answered, or if it was
    /// already closed and the peer has sent more on it.
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

/// How many bytes of a frame's payload are parsed.
#[inline]
fn parsed_length(head: Head) -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: u8 = 0;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    fn reset(stream: u32, code: u8) -> Vec<u8> {
        frame(kind::RST_STREAM, 0, stream, &[0, 0, 0, code])
    }

    fn go_away(code: u8) -> Vec<u8> {
        frame(kind::GOAWAY, 0, 0, &[&[0, 0, 0, 9, 0, 0, 0, code][..], b"debug data"].concat())
    }

    fn headers(stream: u32, block: &[u8]) -> Vec<u8> {
        frame(kind::HEADERS, 0x5, stream, block)
    }

    /// The rejections that are found in these frames, which must not depend on the pieces in which they are sent.
    fn seen(frames: &[Vec<u8>]) -> Vec<Rejected> {
        let bytes = frames.concat();
        let in_pieces_of = |length| {
            let (mut outbound, mut seen) = (Outbound::default(), Vec::new());
            bytes.chunks(length).for_each(|piece| outbound.sent(piece, &mut |rejected| seen.push(rejected)));
            assert!(outbound.partial.is_empty() && outbound.rest == 0);
            seen
        };
        let seen = in_pieces_of(bytes.len());
        for length in 1..bytes.len() {
            assert_eq!(in_pieces_of(length), seen, "in pieces of {length}");
        }
        seen
    }

    #[test]
    fn resets_are_seen_by_code() {
        let frames = [
            reset(1, 1),
            // a payload that looks like a frame is not a frame
            frame(OTHER, 0, 3, &reset(3, 1)),
            reset(3, 0),
            reset(5, 5),
            reset(7, 7),
            reset(9, 8),
            frame(OTHER, 1, 11, &[]),
        ];
        assert_eq!(seen(&frames), [Rejected::Stream(1), Rejected::Stream(7), Rejected::Stream(8)]);
    }

    #[test]
    fn a_connection_is_rejected_once() {
        assert_eq!(seen(&[go_away(0), go_away(0)]), []);
        assert_eq!(seen(&[go_away(0), go_away(11), go_away(1)]), [Rejected::Connection(11)]);
    }

    #[test]
    fn a_status_of_431_is_seen_in_every_encoding() {
        let inserted = headers(1, b"\x48\x03431");
        let frames = [
            inserted.clone(),
            // the first reset of the answered stream is not a rejection, a second one is
            reset(1, 1),
            reset(1, 1),
            headers(3, b"\xbe"),
            headers(5, b"\x88\x40\x01a\x01b"),
            headers(7, b"\xbf"),
            headers(9, b"\xbe"),
            headers(11, b"\x08\x03431"),
            headers(13, b"\x18\x83\x69\x90\xff"),
            headers(15, b"\x08\x03430"),
            headers(17, b"\x40\x01a\x03431"),
        ];
        let large = Rejected::HeadersTooLarge;
        assert_eq!(seen(&frames), [large, Rejected::Stream(1), large, large, large, large]);
    }

    #[test]
    fn after_a_block_that_cannot_be_parsed_no_status_is_seen() {
        for lost in [
            headers(3, b"\x40\x01a"),
            frame(kind::HEADERS, 0x1, 3, b"\x88"),
            frame(kind::CONTINUATION, 0x4, 3, b"\x88"),
        ] {
            assert_eq!(seen(&[headers(1, b"\x48\x03431"), lost, headers(5, b"\xbe")]), [Rejected::HeadersTooLarge]);
        }
    }
}
