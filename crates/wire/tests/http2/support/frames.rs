//! Frames as a client writes and reads them.

use wire::hpack::put_field;

/// The client preface.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const ACK: u8 = 0x1;
pub const END_STREAM: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;
pub const PADDED: u8 = 0x8;
pub const HAS_PRIORITY: u8 = 0x20;

/// The settings that tests use.
pub const HEADER_TABLE_SIZE: u16 = 1;
pub const ENABLE_PUSH: u16 = 2;
pub const INITIAL_WINDOW_SIZE: u16 = 4;
pub const MAX_FRAME_SIZE: u16 = 5;

/// A received frame.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, flags, stream, payload } = self;
        let shown = payload.get(..40).unwrap_or(payload).escape_ascii();
        write!(f, "[type {kind} flags {flags:#x} stream {stream}, {} bytes: {shown}]", payload.len())
    }
}

impl Frame {
    pub fn is(&self, kind: u8, stream: u32) -> bool {
        self.kind == kind && self.stream == stream
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The 32 bits at this offset of the payload.
    pub fn number(&self, at: usize) -> u32 {
        self.payload.get(at..).and_then(|rest| rest.first_chunk()).map_or(u32::MAX, |bytes| u32::from_be_bytes(*bytes))
    }
}

/// Removes the complete frames at the start of `bytes` and returns them.
pub fn take_frames(bytes: &mut Vec<u8>) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut at = 0;
    while let Some(&[l0, l1, l2, kind, flags, s0, s1, s2, s3]) = bytes[at..].first_chunk() {
        let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        let Some(payload) = bytes.get(at + 9..at + 9 + length) else { break };
        let stream = u32::from_be_bytes([s0, s1, s2, s3]);
        frames.push(Frame { kind, flags, stream, payload: payload.to_vec() });
        at += 9 + length;
    }
    bytes.drain(..at);
    frames
}

/// Encodes a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A header block with these fields.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        put_field(name.as_bytes(), value.as_bytes(), &mut bytes);
    }
    bytes
}

/// The fields of a request for this path, and additional ones.
pub fn request<'a>(path: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "test")];
    fields.extend(more);
    fields
}

/// HEADERS of a request for this path.
pub fn open(stream: u32, path: &str, flags: u8) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, stream, &block(&request(path, &[])))
}

pub fn data(stream: u32, payload: &[u8], flags: u8) -> Vec<u8> {
    frame(DATA, flags, stream, payload)
}

/// A complete request: HEADERS, and DATA that end it.
pub fn call(stream: u32, path: &str, body: &[u8]) -> Vec<u8> {
    [open(stream, path, 0), data(stream, body, END_STREAM)].concat()
}

/// DATA with this much padding, not counting its length byte.
pub fn padded(stream: u32, content: &[u8], padding: u8, flags: u8) -> Vec<u8> {
    let payload = [&[padding], content, &vec![0; padding.into()]].concat();
    data(stream, &payload, flags | PADDED)
}

pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in values {
        payload.extend(id.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame(SETTINGS, 0, 0, &payload)
}

pub fn settings_ack() -> Vec<u8> {
    frame(SETTINGS, ACK, 0, &[])
}

pub fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

pub fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

pub fn ping(payload: &[u8; 8]) -> Vec<u8> {
    frame(PING, 0, 0, payload)
}
