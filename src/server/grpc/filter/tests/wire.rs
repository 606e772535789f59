//! Generates the bytes of arbitrary client connections, and splits a stream of bytes into frames.

use httlib_hpack::Encoder;
use http::uri::Authority;
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{Index, select},
};

use crate::server::grpc::filter::frame::{HEAD, Head, flag, kind};

/// A header list: names and values.
pub(super) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

const END_STREAM: u8 = 1;

/// The requests of one connection.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    requests: Vec<Request>,
}

#[derive(Clone, Debug)]
struct Request {
    /// Name, value, and the encoder's flags of each field.
    fields: Vec<(Vec<u8>, Vec<u8>, u8)>,
    /// A dynamic table size update before the fields.
    table: Option<u32>,
    /// Where the block is split into frames.
    cuts: Vec<Index>,
    padding: Option<u8>,
    has_priority: bool,
    body: Option<Vec<u8>>,
    /// A frame of another type before the request.
    other: Option<Vec<u8>>,
}

pub(super) fn connection() -> impl Strategy<Value = Connection> {
    vec(request(), 1..12).prop_map(|requests| Connection { requests })
}

fn request() -> impl Strategy<Value = Request> {
    let names = select(&["content-type", "te", "grpc-timeout", "user-agent", "x-request-id", "cookie", "x"][..]);
    let regular = (names, "[ -~]{0,60}", flags());
    let table = prop_oneof![9 => Just(None), 1 => prop_oneof![Just(0), Just(100), Just(4096)].prop_map(Some)];
    let frame = (vec(any::<Index>(), 0..6), option::of(any::<u8>()), any::<bool>());
    let around = (option::weighted(0.3, body()), option::weighted(0.3, other()));
    (pseudo(), vec(regular, 0..8), table, frame, around).prop_map(
        |(pseudo, regular, table, (cuts, padding, has_priority), (body, other))| {
            let regular = regular.into_iter().map(|(name, value, flags)| {
                let value = if name == "te" { "trailers" } else { value.trim() };
                (name.as_bytes().to_vec(), value.as_bytes().to_vec(), flags)
            });
            let fields = pseudo.into_iter().chain(regular).collect();
            Request { fields, table, cuts, padding, has_priority, body, other }
        },
    )
}

fn pseudo() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>, u8)>> {
    let path = "/[a-z]{0,80}".prop_map(String::into_bytes);
    (option::weighted(0.95, authority()), path, vec(flags(), 4), any::<[Index; 4]>()).prop_map(
        |(authority, path, flags, order)| {
            let mut fields = vec![
                (b":method".to_vec(), b"POST".to_vec(), flags[0]),
                (b":scheme".to_vec(), b"http".to_vec(), flags[1]),
                (b":path".to_vec(), path, flags[2]),
            ];
            fields.extend(authority.map(|value| (b":authority".to_vec(), value, flags[3])));
            for (n, other) in order.iter().enumerate().take(fields.len()) {
                let other = other.index(fields.len());
                fields.swap(n, other);
            }
            fields
        },
    )
}

fn authority() -> impl Strategy<Value = Vec<u8>> {
    let known = select(
        &[
            "outbound|8081||ratelimit.default.svc.cluster.local",
            "outbound|8082||ratelimit.default.svc.cluster.local",
            "extension/ns/name",
            "/run/ratelimit/grpc.sock",
            "%2Frun%2Fratelimit.sock",
            "ai_gateway_x",
            "ratelimit:8081",
            "[::1]:8081",
            "a:b:c",
            "",
        ][..],
    );
    let known = known.prop_map(|known| known.as_bytes().to_vec());
    prop_oneof![8 => known, 1 => vec(any::<u8>(), 0..40), 1 => "[a-z|]{200,400}".prop_map(String::into_bytes)]
}

/// The encoder's flags: Huffman or not, inserted into the dynamic table or not, by index or not.
fn flags() -> impl Strategy<Value = u8> {
    let table = select(&[0, Encoder::WITH_INDEXING, Encoder::NEVER_INDEXED][..]);
    let others =
        select(&[0, Encoder::HUFFMAN_NAME, Encoder::HUFFMAN_VALUE, Encoder::HUFFMAN_NAME | Encoder::HUFFMAN_VALUE][..]);
    (table, others, prop_oneof![Just(0), Just(Encoder::BEST_FORMAT)]).prop_map(|(a, b, c)| a | b | c)
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    // a body that looks like a request must not be parsed as one
    prop_oneof![vec(any::<u8>(), 0..50), Just(b"\0\0\x05\x01\x04\0\0\0\x01\x01\x03a|b".to_vec())]
}

fn other() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(frame(6, 0, 0, &[7; 8])),
        Just(frame(8, 0, 0, &[0, 0, 0, 1])),
        Just(frame(4, 0, 0, &[])),
        vec(any::<u8>(), 0..30).prop_map(|payload| frame(0xbe, 0xff, 77, &payload)),
    ]
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

impl Connection {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let (mut encoder, mut bytes, mut stream) = (Encoder::with_dynamic_size(4096), Vec::new(), 1);
        for request in &self.requests {
            bytes.extend_from_slice(request.other.as_deref().unwrap_or_default());
            bytes.extend(request.bytes(&mut encoder, stream));
            stream += 2;
        }
        bytes
    }

    /// The header lists that the filter must produce.
    pub(super) fn expected(&self) -> Vec<Fields> {
        self.requests.iter().map(|request| request.fields.iter().filter_map(expected).collect()).collect()
    }

    /// The authorities and paths of the requests that h2 must serve, and the number of those it must reject, because
    /// their authority is still empty.
    pub(super) fn expected_by_h2(&self) -> (Vec<(Option<String>, String)>, usize) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        let lists = self.expected();
        let served: Vec<_> = lists
            .iter()
            .map(|list| {
                let of = |wanted: &[u8]| list.iter().find(|(name, _)| name == wanted).map(|(_, value)| text(value));
                (of(b":authority"), of(b":path").expect("there is one"))
            })
            .filter(|(authority, _)| authority.as_deref() != Some(""))
            .collect();
        let rejected = lists.len() - served.len();
        (served, rejected)
    }
}

fn expected((name, value, flags): &(Vec<u8>, Vec<u8>, u8)) -> Option<(Vec<u8>, Vec<u8>)> {
    if name != b":authority" || Authority::try_from(&value[..]).is_ok() {
        return Some((name.clone(), value.clone()));
    }
    if value.is_empty() {
        let is_inserted = flags & Encoder::WITH_INDEXING != 0 && flags & Encoder::BEST_FORMAT == 0;
        return is_inserted.then(|| (name.clone(), Vec::new()));
    }
    let stays = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    Some((name.clone(), value.iter().map(|byte| if stays(byte) { *byte } else { b'-' }).collect()))
}

impl Request {
    fn bytes(&self, encoder: &mut Encoder<'_>, stream: u32) -> Vec<u8> {
        let mut block = Vec::new();
        if let Some(size) = self.table {
            encoder.update_max_dynamic_size(size, &mut block).expect("encoded");
        }
        for (name, value, flags) in &self.fields {
            encoder.encode((name.clone(), value.clone(), *flags), &mut block).expect("encoded");
        }
        let mut cuts: Vec<_> = self.cuts.iter().map(|cut| cut.index(block.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(block.len());
        let (mut bytes, mut from) = (Vec::new(), 0);
        for (n, cut) in cuts.iter().enumerate() {
            let mut flags = if n + 1 == cuts.len() { flag::END_HEADERS } else { 0 };
            let fragment = &block[from..*cut];
            from = *cut;
            if n > 0 {
                bytes.extend(frame(kind::CONTINUATION, flags, stream, fragment));
                continue;
            }
            let mut payload = Vec::new();
            if let Some(padding) = self.padding {
                flags |= flag::PADDED;
                payload.push(padding);
            }
            if self.has_priority {
                flags |= flag::PRIORITY;
                payload.extend([0, 0, 0, 0, 9]);
            }
            payload.extend_from_slice(fragment);
            payload.resize(payload.len() + usize::from(self.padding.unwrap_or_default()), 0);
            if self.body.is_none() {
                flags |= END_STREAM;
            }
            bytes.extend(frame(kind::HEADERS, flags, stream, &payload));
        }
        bytes.extend(self.body.iter().flat_map(|body| frame(0, END_STREAM, stream, body)));
        bytes
    }
}

/// A frame that was parsed.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    head: Head,
    payload: &'a [u8],
}

/// The frames of a stream, which must all be complete.
pub(super) fn frames(mut stream: &[u8]) -> Vec<Frame<'_>> {
    let mut frames = Vec::new();
    while !stream.is_empty() {
        let head = Head::parse(stream).expect("a head");
        frames.push(Frame { head, payload: &stream[HEAD..head.frame()] });
        stream = &stream[head.frame()..];
    }
    frames
}

impl Frame<'_> {
    pub(super) fn ends_block(&self) -> bool {
        self.head.has(flag::END_HEADERS)
    }

    /// The frame's part of a header block; `None` for a frame of another type.
    pub(super) fn fragment(&self) -> Option<&[u8]> {
        (self.head.kind == kind::HEADERS || self.head.kind == kind::CONTINUATION).then(|| self.parts().1)
    }

    /// Everything but the fragment: type, flags, stream, and the rest of the payload.
    pub(super) fn without_fragment(&self) -> (u8, u8, u32, Vec<u8>) {
        let (before, _, after) = self.parts();
        (self.head.kind, self.head.flags, self.head.stream, [before, after].concat())
    }

    fn parts(&self) -> (&[u8], &[u8], &[u8]) {
        let (mut start, mut padding) = (0, 0);
        match self.head.kind {
            kind::HEADERS => {
                if self.head.has(flag::PADDED) {
                    (start, padding) = (1, usize::from(self.payload[0]));
                }
                if self.head.has(flag::PRIORITY) {
                    start += 5;
                }
            }
            kind::CONTINUATION => {}
            _ => return (self.payload, &[], &[]),
        }
        let end = self.payload.len() - padding;
        (&self.payload[..start], &self.payload[start..end], &self.payload[end..])
    }
}
