//! The name of a counter. Two counters have equal names exactly if prefix, domain, entries, algorithm and window are
//! equal.
//!
//! Layout: `prefix{domain|key=value|key~pattern}f60`. Inside the braces each of `\ | = ~ # { }` is escaped by `\`, so
//! that different inputs have different keys and the braces form a Redis Cluster hash tag: all limits of one descriptor
//! are in one slot. `=` is followed by the request's value (or by the canonical text of an address or network, if the
//! rule matches networks), `#` by a keyed hash of the value, `~` by a rule's pattern that many values share: `~=` for a
//! list of values, `~#` for networks, `~~` for a regular expression. The last part is the algorithm's letter and the
//! window in seconds, or, as in `f1month@Europe/Berlin`, by the calendar of a time zone. A key longer than 200 bytes is
//! replaced by `#` and a 128-bit hash of itself. The limit's number is not part of the key: raising a limit keeps its
//! count.
//!
//! Keys and values of a descriptor are included byte by byte, UTF-8 or not.

use std::{fmt, net::IpAddr};

use smallvec::SmallVec;

use super::{Algorithm, Decimal, Escaped, Window};

type Bytes = SmallVec<[u8; 96]>;

/// Initial capacity of the buffer in which keys are built, so that it seldom grows.
const INITIAL_CAPACITY: usize = 256;

/// The name of one counter. The module's documentation has its layout.
#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CounterKey(Bytes);

impl Clone for CounterKey {
    /// As a whole: that of `SmallVec` clones one byte after the other.
    #[inline]
    fn clone(&self) -> Self {
        Self(Bytes::from_slice(&self.0))
    }
}

impl CounterKey {
    /// Keys longer than this are replaced by their hash.
    pub const MAX_BYTES: usize = 200;

    /// A key with exactly these bytes, for tests and for callers that name counters themselves.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(Bytes::from_slice(bytes))
    }

    /// The name as bytes; UTF-8 if the keys and values of the descriptor are.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Heap memory in bytes, beyond the size of this struct.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        if self.0.spilled() { self.0.capacity() } else { 0 }
    }
}

impl fmt::Display for CounterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(&self.0).fmt(f)
    }
}

impl fmt::Debug for CounterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CounterKey({self})")
    }
}

/// What represents an entry's value in the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyValue<'a> {
    /// The value as sent.
    Exact(&'a [u8]),
    /// The value is this address; its canonical text is used, however the caller wrote it.
    Address(IpAddr),
    /// The value is this network; `first/length` is used, however the caller wrote it.
    Network {
        /// The first address of the network.
        first: IpAddr,
        /// The length of the network's prefix, in bits.
        length: u8,
    },
    /// The pattern of a rule with `share_threshold`, which all values that match it share.
    Shared {
        /// The kind of pattern; equal texts of different kinds have different keys.
        kind: SharedKind,
        /// The pattern as written in the rule.
        text: &'a str,
    },
}

/// The kind of a pattern that many values share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedKind {
    /// A glob: a value with `*`.
    Glob,
    /// A list of values.
    List,
    /// A list of networks.
    Cidr,
    /// A regular expression.
    Regex,
}

/// Builds counter keys. A process has one, because all its keys have the same prefix.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KeyBuilder {
    prefix: Box<str>,
    secret: Option<[u8; 32]>,
}

impl fmt::Debug for KeyBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyBuilder")
            .field("prefix", &self.prefix)
            .field("hashes_values", &self.secret.is_some())
            .finish()
    }
}

impl KeyBuilder {
    /// A builder of keys that begin with `prefix`, which is not escaped.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into(), secret: None }
    }

    /// The same builder, but with a hash of each value, keyed by `secret`, instead of the value: for descriptors that
    /// carry personal data or tokens. Processes that share a store need the same secret.
    #[must_use]
    pub fn hashing_values(self, secret: &str) -> Self {
        Self { secret: Some(blake3::derive_key("tollgate 2026 descriptor values", secret.as_bytes())), ..self }
    }

    /// A builder for the counters of one domain.
    #[must_use]
    pub fn domain(&self, domain: &str) -> DomainKeys<'_> {
        let mut text = Vec::with_capacity(INITIAL_CAPACITY);
        text.extend_from_slice(self.prefix.as_bytes());
        text.push(b'{');
        escape(&mut text, domain.as_bytes());
        DomainKeys { builder: self, entries_at: text.len(), text }
    }

    fn value(&self, into: &mut Vec<u8>, value: &[u8]) {
        match &self.secret {
            None => {
                into.push(b'=');
                escape(into, value);
            }
            Some(secret) => {
                into.push(b'#');
                push_hash(into, blake3::keyed_hash(secret, value));
            }
        }
    }
}

/// Builds the keys of one domain's counters, one after another, in one buffer.
#[derive(Debug)]
pub struct DomainKeys<'b> {
    builder: &'b KeyBuilder,
    /// The prefix and domain up to `entries_at`, then the entries of the last descriptor.
    text: Vec<u8>,
    entries_at: usize,
}

impl DomainKeys<'_> {
    /// The part of the key that all limits of one descriptor share.
    pub fn base<'a>(&mut self, entries: impl IntoIterator<Item = (&'a [u8], KeyValue<'a>)>) -> KeyBase<'_> {
        let Self { builder, text, entries_at } = self;
        text.truncate(*entries_at);
        for (key, value) in entries {
            text.push(b'|');
            escape(text, key);
            match value {
                KeyValue::Exact(value) => builder.value(text, value),
                KeyValue::Address(address) => builder.value(text, address.to_string().as_bytes()),
                KeyValue::Network { first, length } => builder.value(text, format!("{first}/{length}").as_bytes()),
                KeyValue::Shared { kind, text: pattern } => {
                    // unambiguous: a second mark that came from the pattern would be escaped
                    text.extend_from_slice(match kind {
                        SharedKind::Glob => b"~",
                        SharedKind::List => b"~=",
                        SharedKind::Cidr => b"~#",
                        SharedKind::Regex => b"~~",
                    });
                    escape(text, pattern.as_bytes());
                }
            }
        }
        text.push(b'}');
        let mut from = 0;
        if text.len() > CounterKey::MAX_BYTES {
            let hash = blake3::hash(text);
            from = text.len();
            text.extend_from_slice(builder.prefix.as_bytes());
            text.extend_from_slice(b"{#");
            push_hash(text, hash);
            text.push(b'}');
        }
        KeyBase { end: text.len(), from, text }
    }
}

/// A counter key without its algorithm and window.
#[derive(Debug)]
pub struct KeyBase<'k> {
    /// The buffer; this key is from `from` to `end`.
    text: &'k mut Vec<u8>,
    from: usize,
    end: usize,
}

impl KeyBase<'_> {
    /// The key of the counter for this algorithm and window.
    pub fn counter(&mut self, algorithm: Algorithm, window: Window) -> CounterKey {
        let Self { text, from, end } = self;
        text.truncate(*end);
        text.push(match algorithm {
            Algorithm::FixedWindow => b'f',
            Algorithm::SlidingWindow => b's',
            Algorithm::TokenBucket => b'b',
        });
        match window.calendar() {
            None => text.extend_from_slice(Decimal::new(window.seconds()).as_bytes()),
            Some(calendar) => {
                text.extend_from_slice(Decimal::new(window.multiplier().get().into()).as_bytes());
                text.extend_from_slice(window.unit().name().as_bytes());
                text.push(b'@');
                text.extend_from_slice(calendar.zone().name().as_bytes());
            }
        }
        CounterKey(Bytes::from_slice(&text[*from..]))
    }
}

/// Whether the byte has a meaning in a key. `{`, `|`, `}` and `~` are adjacent in ASCII.
const fn is_mark(byte: u8) -> bool {
    (byte.wrapping_sub(b'{') < 4) | (byte == b'\\') | (byte == b'=') | (byte == b'#')
}

/// [`is_mark`] for every byte.
static MARKS: [bool; 256] = {
    let mut marks = [false; 256];
    let mut byte = 0;
    while byte < marks.len() {
        marks[byte] = is_mark(byte as u8);
        byte += 1;
    }
    marks
};

fn has_mark(text: &[u8]) -> bool {
    let (chunks, rest) = text.as_chunks::<16>();
    // without an early exit, and on numbers, so that the compiler vectorizes it to 16 bytes at a time
    let in_chunks = chunks.as_flattened().iter().fold(0, |found, byte| found | u8::from(is_mark(*byte)));
    in_chunks != 0 || rest.iter().any(|byte| MARKS[usize::from(*byte)])
}

fn escape(into: &mut Vec<u8>, text: &[u8]) {
    if has_mark(text) {
        escape_marks(into, text);
    } else {
        into.extend_from_slice(text);
    }
}

/// In a function of its own, because few texts have marks.
#[cold]
fn escape_marks(into: &mut Vec<u8>, mut rest: &[u8]) {
    while let Some(at) = rest.iter().position(|byte| is_mark(*byte)) {
        into.extend_from_slice(&rest[..at]);
        into.extend_from_slice(&[b'\\', rest[at]]);
        rest = &rest[at + 1..];
    }
    into.extend_from_slice(rest);
}

fn push_hash(into: &mut Vec<u8>, hash: blake3::Hash) {
    into.extend_from_slice(&hash.to_hex().as_bytes()[..32]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Unit;

    fn key(builder: &KeyBuilder, domain: &str, entries: &[(&str, KeyValue<'_>)]) -> CounterKey {
        let entries = entries.iter().map(|(key, value)| (key.as_bytes(), *value));
        builder.domain(domain).base(entries).counter(Algorithm::FixedWindow, Unit::Minute.into())
    }

    fn exact(value: &str) -> KeyValue<'_> {
        KeyValue::Exact(value.as_bytes())
    }

    fn shared(kind: SharedKind, text: &str) -> KeyValue<'_> {
        KeyValue::Shared { kind, text }
    }

    #[test]
    fn a_key_reads_like_its_descriptor() {
        let built =
            key(&KeyBuilder::new("p:"), "shop", &[("path", exact("/a")), ("ip", shared(SharedKind::Glob, "10.*"))]);
        assert_eq!(built.to_string(), "p:{shop|path=/a|ip~10.*}f60");
    }

    #[test]
    fn descriptors_with_equal_keys_in_the_reference_have_different_keys() {
        let builder = KeyBuilder::default();
        let keys = [
            key(&builder, "d", &[("a_b", exact("c"))]),
            key(&builder, "d", &[("a", exact("b_c"))]),
            key(&builder, "d", &[("a", exact("b")), ("c", exact(""))]),
            key(&builder, "d", &[("a", exact("b|c="))]),
            key(&builder, "d|a=b", &[("c", exact(""))]),
            key(&builder, "d", &[("a", shared(SharedKind::Glob, "b_c"))]),
            key(&builder, "d", &[("a", shared(SharedKind::List, "b_c"))]),
            key(&builder, "d", &[("a", shared(SharedKind::Cidr, "b_c"))]),
            key(&builder, "d", &[("a", shared(SharedKind::Regex, "b_c"))]),
        ];
        for (i, one) in keys.iter().enumerate() {
            assert!(keys[i + 1..].iter().all(|other| one != other), "{one} twice");
        }
    }

    #[test]
    fn a_long_key_becomes_a_hash() {
        let long = "x".repeat(1 << 20);
        let built = key(&KeyBuilder::new("p:"), "d", &[("k", exact(&long))]);
        assert!(built.as_bytes().len() < 64, "{built}");
        assert!(built.to_string().starts_with("p:{#"), "{built}");
        let other = key(&KeyBuilder::new("p:"), "d", &[("k", exact(&long[1..]))]);
        assert_ne!(built, other);
    }

    #[test]
    fn a_key_does_not_depend_on_the_one_built_before() {
        let builder = KeyBuilder::new("p:");
        let mut keys = builder.domain("d");
        let long = "x".repeat(300);
        for value in ["first", &long, "second", ""] {
            let entries = [(&b"k"[..], KeyValue::Exact(value.as_bytes()))];
            let mut base = keys.base(entries);
            for (algorithm, unit) in [(Algorithm::TokenBucket, Unit::Day), (Algorithm::FixedWindow, Unit::Second)] {
                let alone = builder.domain("d").base(entries).counter(algorithm, unit.into());
                assert_eq!(base.counter(algorithm, unit.into()), alone);
            }
        }
        assert_eq!(key(&builder, "d", &[("k", exact("second"))]).to_string(), "p:{d|k=second}f60");
    }

    #[test]
    fn a_mark_is_found_at_any_position() {
        for mark in 0..=u8::MAX {
            assert_eq!(MARKS[usize::from(mark)], br"\|=~#{}".contains(&mark), "{mark}");
        }
        for (length, mark) in (1..50).flat_map(|length| br"\|=~#{}".map(|mark| (length, mark))) {
            for at in 0..length {
                let mut text = vec![b'x'; length];
                assert!(!has_mark(&text));
                text[at] = mark;
                assert!(has_mark(&text), "{} at {at} of {length}", char::from(mark));
            }
        }
    }

    #[test]
    fn hashed_values_are_not_readable_and_depend_on_the_secret() {
        let value = [("token", exact("s3cret"))];
        let one = key(&KeyBuilder::default().hashing_values("a"), "d", &value);
        let two = key(&KeyBuilder::default().hashing_values("b"), "d", &value);
        assert_ne!(one, two);
        assert!(!one.to_string().contains("s3cret"));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_part_of_the_key() {
        let raw = |value: &'static [u8]| [(&b"u\xff"[..], KeyValue::Exact(value))];
        let builder = KeyBuilder::new("p:");
        let key = |value| builder.domain("d").base(raw(value)).counter(Algorithm::FixedWindow, Unit::Minute.into());
        assert_eq!(key(b"caf\xe9|").as_bytes(), b"p:{d|u\xff=caf\xe9\\|}f60");
        assert_eq!(key(b"caf\xe9").to_string(), r"p:{d|u\xff=caf\xe9}f60");
        assert_ne!(key(b"caf\xe9"), key(b"caf\xe8"));
        assert_ne!(key(b"caf\xe9"), key(br"caf\xe9"), "a byte differs from the text of its escape");
        assert_ne!(key(b"\xe9"), key("\u{fffd}".as_bytes()));
    }

    #[test]
    fn an_address_is_in_its_canonical_text_hashed_or_not() {
        for builder in [KeyBuilder::default(), KeyBuilder::default().hashing_values("a")] {
            for usual in ["10.0.0.1", "2001:db8::1"] {
                let address = KeyValue::Address(usual.parse().expect("an address"));
                assert_eq!(key(&builder, "d", &[("ip", address)]), key(&builder, "d", &[("ip", exact(usual))]));
            }
        }
    }

    type Drawn = (Vec<u8>, Vec<u8>, usize);

    /// A pattern of one of the kinds, if the bytes are text and `kind` is one; else the exact value.
    fn drawn(text: &[u8], kind: usize) -> KeyValue<'_> {
        let kinds = [SharedKind::Glob, SharedKind::List, SharedKind::Cidr, SharedKind::Regex];
        match (kinds.get(kind), str::from_utf8(text)) {
            (Some(kind), Ok(text)) => shared(*kind, text),
            _ => KeyValue::Exact(text),
        }
    }

    /// Bytes that are mostly marks, with one that is not UTF-8.
    fn texts(letter: u8) -> impl Strategy<Value = Vec<u8>> {
        let bytes = proptest::sample::select([&[letter, 0xff][..], br"|=~\{}#_"].concat());
        proptest::collection::vec(bytes, 0..4)
    }

    proptest! {
        #[test]
        fn different_descriptors_have_different_keys(
            one in proptest::collection::vec((texts(b'a'), texts(b'b'), 0..5usize), 1..4),
            two in proptest::collection::vec((texts(b'a'), texts(b'b'), 0..5usize), 1..4),
        ) {
            let build = |entries: &[Drawn]| {
                let entries = entries.iter().map(|(key, text, kind)| (&key[..], drawn(text, *kind)));
                let builder = KeyBuilder::default();
                builder.domain("d").base(entries).counter(Algorithm::FixedWindow, Unit::Minute.into())
            };
            let same = one.len() == two.len() && one.iter().zip(&two).all(|((key, text, kind), other)| {
                *key == other.0 && drawn(text, *kind) == drawn(&other.1, other.2)
            });
            prop_assert_eq!(same, build(&one) == build(&two));
        }
    }
}
