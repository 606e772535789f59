//! Scripts: the bytes that a client sends and the points at which it waits, and building blocks for them.

use std::{
    fmt,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use prost::Message as _;

use testkit::{
    frames::{CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, frame},
    raw::{self, SHOULD_RATE_LIMIT},
    rls::request,
};

pub const PADDED: u8 = 8;
pub const PRIORITY: u8 = 0x20;

/// The stream of the call after each script, above all streams of scripts.
pub const PROBE: u32 = 0x4000_0001;

/// What a client sends on a connection of its own.
#[derive(Clone)]
pub struct Script {
    pub name: String,
    /// Whether it begins before the preface.
    pub is_bare: bool,
    pub steps: Vec<Step>,
    /// The streams that are compared, and whether it waits for their end.
    pub streams: Vec<(u32, bool)>,
}

#[derive(Clone)]
pub enum Step {
    Send(Vec<u8>),
    /// Continues once the server has ended this stream.
    Ended(u32),
}

impl Script {
    /// A script that compares stream 1.
    pub fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), is_bare: false, steps: vec![Step::Send(bytes)], streams: vec![(1, true)] }
    }

    /// A script without a preface and SETTINGS before its bytes.
    pub fn bare(name: &str, bytes: &[u8]) -> Self {
        Self { is_bare: true, streams: Vec::new(), ..Self::new(name, bytes.to_vec()) }
    }

    /// A script that compares no stream.
    pub fn about_the_connection(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { streams: Vec::new(), ..Self::new(name, bytes) }
    }

    /// Sends this once stream 1 has ended.
    pub fn then(mut self, bytes: Vec<u8>) -> Self {
        self.steps.extend([Step::Ended(1), Step::Send(bytes)]);
        self
    }

    /// Compares these streams too, which must end.
    pub fn and(mut self, streams: impl IntoIterator<Item = u32>) -> Self {
        self.streams.extend(streams.into_iter().map(|stream| (stream, true)));
        self
    }

    /// Compares stream 1 without waiting for its end.
    pub fn open(mut self) -> Self {
        self.streams[0].1 = false;
        self
    }
}

/// The frames, for messages of failed tests: type, flags and stream of each, and the start of its payload.
impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            let mut bytes = match step {
                Step::Send(bytes) if !self.is_bare => &bytes[..],
                Step::Send(bytes) => return write!(f, "{}", bytes.escape_ascii()),
                Step::Ended(stream) => {
                    writeln!(f, "(stream {stream} ends)")?;
                    continue;
                }
            };
            while let Some(([l0, l1, l2, kind, flags, s0, s1, s2, s3], rest)) = bytes.split_first_chunk::<9>() {
                let length = u32::from_be_bytes([0, *l0, *l1, *l2]) as usize;
                let (payload, rest) = rest.split_at(length.min(rest.len()));
                let stream = u32::from_be_bytes([*s0, *s1, *s2, *s3]);
                let shown = payload[..payload.len().min(300)].escape_ascii();
                writeln!(f, "type {kind} flags {flags:#x} stream {stream}, {length} octets: {shown}")?;
                bytes = rest;
            }
        }
        Ok(())
    }
}

/// Names and values of fields.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// The fields of a call as clients send them.
pub fn fields() -> Fields {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", SHOULD_RATE_LIMIT),
        (":authority", "oracle"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ];
    fields.into_iter().map(pair).collect()
}

pub fn pair(field: (&str, &str)) -> (Vec<u8>, Vec<u8>) {
    (field.0.as_bytes().to_vec(), field.1.as_bytes().to_vec())
}

/// The same with one more field.
pub fn with(name: &str, value: impl AsRef<[u8]>) -> Fields {
    let mut all = fields();
    all.push((name.as_bytes().to_vec(), value.as_ref().to_vec()));
    all
}

/// The same without a field.
pub fn without(name: &str) -> Fields {
    let mut all = fields();
    all.retain(|(known, _)| known != name.as_bytes());
    all
}

/// The same with a changed field.
pub fn changed(name: &str, value: impl AsRef<[u8]>) -> Fields {
    let mut all = fields();
    for (known, old) in &mut all {
        if known == name.as_bytes() {
            *old = value.as_ref().to_vec();
        }
    }
    all
}

/// Encodes fields as literals without indexing: the simplest block.
pub fn block(fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            integer(0, 7, text.len(), &mut block);
            block.extend_from_slice(text);
        }
    }
    block
}

/// An integer of HPACK.
pub fn integer(first: u8, prefix: u8, value: usize, out: &mut Vec<u8>) {
    let full = (1 << prefix) - 1;
    let Some(mut rest) = value.checked_sub(full) else {
        out.push(first | u8::try_from(value).expect("less than a prefix"));
        return;
    };
    out.push(first | u8::try_from(full).expect("a prefix"));
    while rest >= 0x80 {
        out.push(u8::try_from(rest & 0x7f).expect("seven bits") | 0x80);
        rest >>= 7;
    }
    out.push(u8::try_from(rest).expect("seven bits"));
}

/// The HEADERS of a call whose message follows.
pub fn open(stream: u32, fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    headers(stream, 0, &block(fields))
}

/// HEADERS with this block, in as many frames as needed.
pub fn headers(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    let (first, mut rest) = block.split_at(block.len().min(16_384));
    let mut bytes = frame(HEADERS, flags | if rest.is_empty() { END_HEADERS } else { 0 }, stream, first);
    while !rest.is_empty() {
        let (part, after) = rest.split_at(rest.len().min(16_384));
        bytes.extend(frame(CONTINUATION, if after.is_empty() { END_HEADERS } else { 0 }, stream, part));
        rest = after;
    }
    bytes
}

/// The last DATA of a call.
pub fn last(stream: u32, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, bytes)
}

/// DATA that is not the last.
pub fn more(stream: u32, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, 0, stream, bytes)
}

/// A call with these fields, and its message in one frame.
pub fn call(stream: u32, fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    [open(stream, fields), last(stream, &message())].concat()
}

/// A call that is decided.
pub fn good(stream: u32) -> Vec<u8> {
    call(stream, &fields())
}

/// A message that no other call has, so that its answer does not depend on earlier calls.
pub fn plain_message() -> Vec<u8> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let value = format!("/{:06}", NEXT.fetch_add(1, Relaxed));
    let descriptors: [&[(&str, &str)]; 3] = [&[("path", &value)], &[("none", &value)], &[("path", &value)]];
    request("oracle", &descriptors).encode_to_vec()
}

/// The same with its gRPC prefix.
pub fn message() -> Vec<u8> {
    framed(0, &plain_message())
}

pub fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    raw::frame(flag, message).to_vec()
}
