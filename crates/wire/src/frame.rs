//! Frames (RFC 9113, sections 4 and 6): parsing frame headers, and writing the frames that a server sends.

use crate::ErrorCode;

/// The length of a frame header.
pub(crate) const HEAD: usize = 9;

/// The longest payload that we accept: the default of SETTINGS_MAX_FRAME_SIZE, which we do not change.
pub(crate) const MAX_PAYLOAD: usize = 16_384;

/// Frame types.
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

/// Frame flags.
pub(crate) mod flag {
    pub(crate) const ACK: u8 = 0x1;
    pub(crate) const END_STREAM: u8 = 0x1;
    pub(crate) const END_HEADERS: u8 = 0x4;
    pub(crate) const PADDED: u8 = 0x8;
    pub(crate) const PRIORITY: u8 = 0x20;
}

/// A frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) length: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    /// The stream id without the reserved bit; 0 means the connection.
    pub(crate) stream: u32,
}

impl Head {
    /// Parses a frame header.
    pub(crate) fn read(bytes: &[u8; HEAD]) -> Self {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *bytes;
        Self {
            length: usize::from(l0) << 16 | usize::from(l1) << 8 | usize::from(l2),
            kind,
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff,
        }
    }

    /// Whether any of these flags is set.
    pub(crate) fn has(self, flags: u8) -> bool {
        self.flags & flags != 0
    }

    /// Encodes the header. The payload must be shorter than 2^24 bytes.
    pub(crate) fn bytes(self) -> [u8; HEAD] {
        let [_, l0, l1, l2] = u32::try_from(self.length).unwrap_or(u32::MAX).to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        [l0, l1, l2, self.kind, self.flags, s0, s1, s2, s3]
    }

    /// Appends the encoded header.
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes());
    }
}

/// Appends a frame.
pub(crate) fn put(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    Head { length: payload.len(), kind, flags, stream }.put(out);
    out.extend_from_slice(payload);
}

/// Appends a RST_STREAM.
pub(crate) fn put_reset(stream: u32, code: ErrorCode, out: &mut Vec<u8>) {
    put(kind::RST_STREAM, 0, stream, &code.0.to_be_bytes(), out);
}

/// Appends a WINDOW_UPDATE.
pub(crate) fn put_window_update(stream: u32, increment: u32, out: &mut Vec<u8>) {
    put(kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes(), out);
}

/// Appends a GOAWAY.
pub(crate) fn put_go_away(last: u32, code: ErrorCode, debug: &str, out: &mut Vec<u8>) {
    Head { length: 8 + debug.len(), kind: kind::GOAWAY, flags: 0, stream: 0 }.put(out);
    out.extend_from_slice(&last.to_be_bytes());
    out.extend_from_slice(&code.0.to_be_bytes());
    out.extend_from_slice(debug.as_bytes());
}

/// Removes the padding from a payload. Returns the rest, and the length of the padding including its length byte;
/// `None` if the padding is longer than the payload.
pub(crate) fn unpad(head: Head, payload: &[u8]) -> Option<(&[u8], usize)> {
    if !head.has(flag::PADDED) {
        return Some((payload, 0));
    }
    let (&padding, rest) = payload.split_first()?;
    let padding = usize::from(padding);
    let content = rest.len().checked_sub(padding)?;
    Some((&rest[..content], padding + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_parsed_as_it_was_written() {
        let head = Head { length: 0x01_02_03, kind: kind::DATA, flags: flag::END_STREAM, stream: 0x7fff_fffe };
        assert_eq!(Head::read(&head.bytes()), head);
        let mut reserved = head.bytes();
        reserved[5] |= 0x80;
        assert_eq!(Head::read(&reserved), head, "the reserved bit is ignored");
    }

    #[test]
    fn padding_is_removed() {
        let head = |flags| Head { length: 0, kind: kind::DATA, flags, stream: 1 };
        assert_eq!(unpad(head(0), b"abc"), Some((&b"abc"[..], 0)));
        assert_eq!(unpad(head(flag::PADDED), b"\x02abc\0\0"), Some((&b"abc"[..], 3)));
        assert_eq!(unpad(head(flag::PADDED), b"\x03\0\0\0"), Some((&b""[..], 4)));
        assert_eq!(unpad(head(flag::PADDED), b"\x04\0\0\0"), None, "longer than the payload");
        assert_eq!(unpad(head(flag::PADDED), b""), None);
    }
}
