//! Compares the decoder with prost, on messages that are encoded in unusual ways, and on corrupted ones.
//!
//! There are a hundred times `PROPTEST_CASES` cases.

use std::num::NonZeroUsize;

use envoy_types::pb::envoy::service::ratelimit::v3::RateLimitRequest;
use fastrand::Rng;
use proptest::test_runner::Config;
use prost::Message;

use super::*;
use crate::api::rls::convert;

/// The request's messages with `bytes` instead of `string` fields, so that prost accepts any bytes there.
mod raw {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Request {
        #[prost(bytes = "vec", tag = "1")]
        pub(super) domain: Vec<u8>,
        #[prost(message, repeated, tag = "2")]
        pub(super) descriptors: Vec<Descriptor>,
        #[prost(uint32, tag = "3")]
        pub(super) hits_addend: u32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Descriptor {
        #[prost(message, repeated, tag = "1")]
        pub(super) entries: Vec<Entry>,
        #[prost(message, optional, tag = "2")]
        pub(super) limit: Option<Override>,
        #[prost(message, optional, tag = "3")]
        pub(super) hits_addend: Option<Wrapped>,
        #[prost(bool, tag = "4")]
        pub(super) is_negative_hits: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Entry {
        #[prost(bytes = "vec", tag = "1")]
        pub(super) key: Vec<u8>,
        #[prost(bytes = "vec", tag = "2")]
        pub(super) value: Vec<u8>,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub(super) struct Override {
        #[prost(uint32, tag = "1")]
        pub(super) requests_per_unit: u32,
        #[prost(int32, tag = "2")]
        pub(super) unit: i32,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub(super) struct Wrapped {
        #[prost(uint64, tag = "1")]
        pub(super) value: u64,
    }
}

/// Converts prost's message to the engine's request.
fn converted<'a>(message: &'a raw::Request, limits: &RequestLimits) -> Result<Request<'a>, DecodeError> {
    let mut descriptors = SmallVec::new();
    let mut rejected = None;
    for (index, from) in message.descriptors.iter().enumerate() {
        let limit = from.limit.map(|limit| LimitOverride { requests: limit.requests_per_unit, unit: unit(limit.unit) });
        let (count, max) = (from.entries.len(), limits.max_entries.get());
        let too_many = DecideError::TooManyEntries { descriptor: index, count, max };
        let too_many = (count > max).then_some(DecodeError::TooMany(too_many));
        rejected = rejected.or(too_many);
        descriptors.push(Descriptor {
            entries: from.entries.iter().map(|entry| Entry::new(&entry.key, &entry.value)).collect(),
            limit,
            amount: from.hits_addend.map(|hits| hits.value),
            gives_back: from.is_negative_hits,
        });
    }
    let (count, max) = (descriptors.len(), limits.max_descriptors.get());
    let too_many = (count > max).then_some(DecodeError::TooMany(DecideError::TooManyDescriptors { count, max }));
    match rejected.or(too_many) {
        Some(error) => Err(error),
        None => Ok(Request { domain: &message.domain, descriptors, amount: u64::from(message.hits_addend) }),
    }
}

/// The outcomes of the cases, so that a test fails if it only tries nonsense.
#[derive(Debug, Default)]
struct Seen {
    accepted: u64,
    malformed: u64,
    rejected: u64,
}

/// Compares the decoders on one input.
fn compare(bytes: &[u8], limits: &RequestLimits, seen: &mut Seen) {
    let (raw, generated) = (raw::Request::decode(bytes), RateLimitRequest::decode(bytes));
    let ours = decode(bytes, limits);
    match &raw {
        Ok(message) => assert_eq!(ours, converted(message, limits), "{bytes:x?}"),
        Err(error) => assert!(matches!(ours, Err(DecodeError::Malformed(_))), "{error}, but {ours:?}: {bytes:x?}"),
    }
    // the generated code gives the same, but rejects texts that are not UTF-8
    if let (Ok(message), Ok(ours)) = (&generated, &ours) {
        assert_eq!(*ours, convert::request(message), "{bytes:x?}");
    }
    match ours {
        Ok(_) => seen.accepted += 1,
        Err(DecodeError::Malformed(_)) => seen.malformed += 1,
        Err(_) => seen.rejected += 1,
    }
}

/// Encodes messages in every way that protobuf allows.
struct Writer<'r> {
    rng: &'r mut Rng,
}

type Fields = Vec<Vec<u8>>;

impl Writer<'_> {
    fn one_in(&mut self, times: u32) -> bool {
        self.rng.u32(..times) == 0
    }

    fn varint(&mut self, mut value: u64, into: &mut Vec<u8>) {
        let mut bytes = Vec::new();
        loop {
            bytes.push((value & 0x7f) as u8);
            value >>= 7;
            if value == 0 {
                break;
            }
        }
        // padded to more bytes than necessary
        if self.one_in(8) {
            let most = 10 - bytes.len();
            bytes.resize(bytes.len() + self.rng.usize(..=most), 0);
        }
        let last = bytes.len() - 1;
        bytes[..last].iter_mut().for_each(|byte| *byte |= 0x80);
        into.extend_from_slice(&bytes);
    }

    /// A number that is small, or near a power of two.
    fn number(&mut self) -> u64 {
        let near = (1_u64 << self.rng.u32(..64)).wrapping_add(self.rng.u64(..3)).wrapping_sub(1);
        [self.rng.u64(..9), near, self.rng.u64(..)][self.rng.usize(..3)]
    }

    fn text(&mut self) -> Vec<u8> {
        let text: String =
            (0..self.rng.usize(..4)).map(|_| self.rng.choice(['a', 'b', 'é', '日', '\0']).unwrap_or('x')).collect();
        let mut bytes = if self.one_in(16) { text.repeat(60) } else { text }.into_bytes();
        if self.one_in(8) {
            bytes.push(self.rng.u8(0x80..));
        }
        bytes
    }

    fn scalar(&mut self, field: u64, value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.varint(field << 3, &mut bytes);
        self.varint(value, &mut bytes);
        bytes
    }

    fn delimited(&mut self, field: u64, content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.varint(field << 3 | 2, &mut bytes);
        self.varint(content.len() as u64, &mut bytes);
        bytes.extend_from_slice(content);
        bytes
    }

    /// A field that no message has.
    fn unknown(&mut self, depth: usize) -> Vec<u8> {
        let field = [self.rng.u64(5..20), self.rng.u64(5..1 << 29)][self.rng.usize(..2)];
        match self.rng.u32(..6) {
            0 => {
                let number = self.number();
                self.scalar(field, number)
            }
            1 => {
                let text = self.text();
                self.delimited(field, &text)
            }
            kind @ (2 | 3) => {
                let (wire_type, length) = if kind == 2 { (1, 8) } else { (5, 4) };
                let mut bytes = Vec::new();
                self.varint(field << 3 | wire_type, &mut bytes);
                bytes.extend((0..length).map(|_| self.rng.u8(..)));
                bytes
            }
            _ => self.group(field, depth),
        }
    }

    fn group(&mut self, field: u64, depth: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.varint(field << 3 | 3, &mut bytes);
        if depth < 3 {
            (0..self.rng.usize(..3)).for_each(|_| bytes.extend(self.unknown(depth + 1)));
        } else if self.one_in(4) {
            // close to the depth limit
            let more = self.rng.usize(90..104);
            bytes.extend(b"\x33".repeat(more));
            bytes.extend(b"\x34".repeat(more));
        }
        self.varint(field << 3 | 4, &mut bytes);
        bytes
    }

    /// A message with these fields in any order, and unknown fields between them.
    fn message(&mut self, mut fields: Fields) -> Vec<u8> {
        while self.one_in(6) {
            let unknown = self.unknown(0);
            fields.push(unknown);
        }
        self.rng.shuffle(&mut fields);
        fields.concat()
    }

    /// Writes a field several times or not at all, mostly once.
    fn times(&mut self, fields: &mut Fields, mut write: impl FnMut(&mut Self) -> Vec<u8>) {
        let times = [0, 1, 1, 1, 2, 3][self.rng.usize(..6)];
        (0..times).for_each(|_| fields.push(write(self)));
    }

    fn texts(&mut self, fields: &mut Fields, field: u64) {
        self.times(fields, |writer| {
            let text = writer.text();
            writer.delimited(field, &text)
        });
    }

    fn numbers(&mut self, fields: &mut Fields, field: u64) {
        self.times(fields, |writer| {
            let number = writer.number();
            writer.scalar(field, number)
        });
    }

    fn nested(&mut self, fields: &mut Fields, field: u64, write: impl Fn(&mut Self, &mut Fields)) {
        self.times(fields, |writer| {
            let mut nested = Fields::new();
            write(writer, &mut nested);
            let nested = writer.message(nested);
            writer.delimited(field, &nested)
        });
    }

    fn request(&mut self) -> Vec<u8> {
        let mut fields = Fields::new();
        self.texts(&mut fields, 1);
        for _ in 0..self.rng.usize(..3) {
            self.nested(&mut fields, 2, Self::descriptor);
        }
        self.numbers(&mut fields, 3);
        self.message(fields)
    }

    fn descriptor(&mut self, fields: &mut Fields) {
        for _ in 0..self.rng.usize(..3) {
            self.nested(fields, 1, |writer, fields| {
                writer.texts(fields, 1);
                writer.texts(fields, 2);
            });
        }
        if self.one_in(3) {
            self.nested(fields, 2, |writer, fields| {
                writer.numbers(fields, 1);
                let unit = writer.rng.u64(1..8);
                let unit = if writer.one_in(8) { writer.number() } else { unit };
                fields.push(writer.scalar(2, unit));
            });
        }
        self.nested(fields, 3, |writer, fields| writer.numbers(fields, 1));
        self.numbers(fields, 4);
    }

    /// Makes random changes to a message, which may leave it valid.
    fn mutate(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..self.rng.usize(1..4) {
            let at = self.rng.usize(..=bytes.len());
            match self.rng.u32(..7) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.interesting()),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                3 if at < bytes.len() => bytes[at] = self.interesting(),
                4 if at < bytes.len() => bytes[at] ^= 1 << self.rng.u32(..8),
                5 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(self.rng.u8(..3)).wrapping_sub(1),
                6 => {
                    let from = self.rng.usize(..=other.len());
                    bytes.splice(at.., other[from..].iter().copied());
                }
                _ => {}
            }
        }
    }

    /// A byte that is likely to be a key, a length or another byte with a meaning.
    fn interesting(&mut self) -> u8 {
        let known =
            [0, 1, 2, 4, 0x08, 0x0a, 0x0c, 0x10, 0x12, 0x18, 0x1a, 0x1b, 0x20, 0x23, 0x24, 0x2d, 0x7f, 0x80, 0xff];
        if self.one_in(4) { self.rng.u8(..) } else { known[self.rng.usize(..known.len())] }
    }
}

fn run(name: &str, seed: u64, mut case: impl FnMut(&mut Writer<'_>, &RequestLimits, &mut Seen)) -> Seen {
    let mut seen = Seen::default();
    let (many, few) = (NonZeroUsize::new(256).expect("not zero"), NonZeroUsize::MIN);
    for number in 0..u64::from(Config::default().cases) * 100 {
        let mut rng = Rng::with_seed(seed.wrapping_add(number));
        let max = if rng.u32(..16) == 0 { few } else { many };
        let limits = RequestLimits { max_descriptors: max, max_entries: max };
        case(&mut Writer { rng: &mut rng }, &limits, &mut seen);
    }
    eprintln!("{name}: {seen:?}");
    seen
}

#[test]
fn unusual_messages_are_decoded_as_by_prost() {
    let seen = run("unusual messages", fastrand::u64(..), |writer, limits, seen| {
        compare(&writer.request(), limits, seen);
    });
    assert!(seen.accepted > seen.malformed && seen.rejected > 0 && seen.malformed > 0, "{seen:?}");
}

#[test]
fn corrupted_messages_are_rejected_if_prost_rejects_them() {
    let mut other = Vec::new();
    let seen = run("broken messages", fastrand::u64(..), |writer, limits, seen| {
        let mut bytes = writer.request();
        let whole = bytes.clone();
        writer.mutate(&mut bytes, &other);
        compare(&bytes, limits, seen);
        other = whole;
    });
    assert!(seen.accepted > 0 && seen.malformed > seen.accepted / 10, "{seen:?}");
}

#[test]
fn short_sequences_of_meaningful_bytes_are_decoded_as_by_prost() {
    let seen = run("bytes", fastrand::u64(..), |writer, limits, seen| {
        let length = writer.rng.usize(..12);
        let bytes: Vec<u8> = (0..length).map(|_| writer.interesting()).collect();
        compare(&bytes, limits, seen);
    });
    assert!(seen.accepted > 0 && seen.malformed > 0, "{seen:?}");
}
