//! The name of a counter: the same for the same prefix, domain, entries, algorithm and window, different for any two
//! that differ in one of them.
//!
//! Layout: `prefix{domain|key=value|key~pattern}f60`. Inside the braces each of `\ | = ~ # { }` is escaped by `\`, so no
//! two inputs meet and the braces are ours alone: on a Redis Cluster they make all limits of one descriptor share a
//! slot. `=` is followed by the request's value (the usual text of an address or network, where a rule asks for a
//! network), `#` by a keyed hash of it, `~` by a rule's pattern that many values share: `~=` if that is a list of values, `~#` of
//! networks, `~~` a regular expression. The last part is the algorithm's letter and the window in seconds, or as in
//! `f1month@Europe/Berlin` by the calendar of a time zone. A key longer than 200 bytes is replaced by `#` and a 128-bit
//! hash of itself. The limit's number is not part of the key: raising it keeps the count.
//!
//! Keys and values of a descriptor stand in it byte by byte, UTF-8 or not.

use std::{fmt, net::IpAddr};

use smallvec::SmallVec;

use super::{Algorithm, Decimal, Escaped, Window};

type Bytes = SmallVec<[u8; 96]>;

/// Room for a text that becomes a key, so that few grow.
const USUAL_ROOM: usize = 256;

/// The name of one counter. See the module's documentation for its layout.
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

    /// A key of the caller's own making, for tests and for callers that name counters themselves.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(Bytes::from_slice(bytes))
    }

    /// The name as bytes: UTF-8 if the keys and values of the descriptor are.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Memory that it takes beyond its own size, in bytes.
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

/// What stands for an entry's value in the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyValue<'a> {
    /// The request's own value.
    Exact(&'a [u8]),
    /// The address that the request's value is, however it is written there: its usual text stands in the key.
    Address(IpAddr),
    /// The network that the request's value is, however it is written there: it stands in the key as `first/length`.
    Network {
        /// Its first address.
        first: IpAddr,
        /// The length of its prefix.
        length: u8,
    },
    /// What a `share_threshold` rule asks for, in place of the values that match it.
    Shared {
        /// What kind of pattern it is: equal texts of two kinds are two patterns.
        kind: SharedKind,
        /// The pattern.
        text: &'a str,
    },
}

/// What kind of pattern many values share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedKind {
    /// A value with `*`.
    Glob,
    /// A list of values.
    List,
    /// Networks.
    Cidr,
    /// A regular expression.
    Regex,
}

/// Builds counter keys. One for the process: all its keys have one prefix.
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
    /// Keys that begin with `prefix`, which is taken as it is.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into(), secret: None }
    }

    /// The same builder, which puts a hash of each value, keyed by `secret`, in place of the value: for descriptors
    /// that carry personal data or tokens. Processes that share a store need the same secret.
    #[must_use]
    pub fn hashing_values(self, secret: &str) -> Self {
        Self { secret: Some(blake3::derive_key("tollgate 2026 descriptor values", secret.as_bytes())), ..self }
    }

    /// The keys of a domain's counters.
    #[must_use]
    pub fn domain(&self, domain: &str) -> DomainKeys<'_> {
        let mut text = Vec::with_capacity(USUAL_ROOM);
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

/// Writes the keys of one domain's counters, one after the other over the same text.
#[derive(Debug)]
pub struct DomainKeys<'b> {
    builder: &'b KeyBuilder,
    /// Ends with the domain up to `entries_at`; what follows is of the last descriptor.
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
                    // a second mark cannot come from the text, where it would be escaped
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

/// A counter key that still lacks its algorithm and window.
#[derive(Debug)]
pub struct KeyBase<'k> {
    /// This part is from `from` to `end`.
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

/// Whether the byte means something in a key: `{`, `|`, `}` and `~` are neighbours.
const fn is_mark(byte: u8) -> bool {
    (byte.wrapping_sub(b'{') < 4) | (byte == b'\\') | (byte == b'=') | (byte == b'#')
}

/// [`is_mark`] of every byte.
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
    // without stopping, and in numbers: the compiler then does 16 at a time
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

/// Apart, for texts with marks are few.
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
    fn the_reference_s_collisions_are_gone() {
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
    fn keys_of_one_request_leave_nothing_to_the_next() {
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
    fn a_mark_is_found_wherever_it_is() {
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
    fn bytes_that_are_not_utf8_stand_in_the_key_as_they_are() {
        let raw = |value: &'static [u8]| [(&b"u\xff"[..], KeyValue::Exact(value))];
        let builder = KeyBuilder::new("p:");
        let key = |value| builder.domain("d").base(raw(value)).counter(Algorithm::FixedWindow, Unit::Minute.into());
        assert_eq!(key(b"caf\xe9|").as_bytes(), b"p:{d|u\xff=caf\xe9\\|}f60");
        assert_eq!(key(b"caf\xe9").to_string(), r"p:{d|u\xff=caf\xe9}f60");
        assert_ne!(key(b"caf\xe9"), key(b"caf\xe8"));
        assert_ne!(key(b"caf\xe9"), key(br"caf\xe9"), "not what its escaped form spells");
        assert_ne!(key(b"\xe9"), key("\u{fffd}".as_bytes()));
    }

    #[test]
    fn an_address_is_its_usual_text_hashed_or_not() {
        for builder in [KeyBuilder::default(), KeyBuilder::default().hashing_values("a")] {
            for usual in ["10.0.0.1", "2001:db8::1"] {
                let address = KeyValue::Address(usual.parse().expect("an address"));
                assert_eq!(key(&builder, "d", &[("ip", address)]), key(&builder, "d", &[("ip", exact(usual))]));
            }
        }
    }

    type Drawn = (Vec<u8>, Vec<u8>, usize);

    /// A pattern of some kind, which is always text, or the exact value.
    fn drawn(text: &[u8], kind: usize) -> KeyValue<'_> {
        let kinds = [SharedKind::Glob, SharedKind::List, SharedKind::Cidr, SharedKind::Regex];
        match (kinds.get(kind), str::from_utf8(text)) {
            (Some(kind), Ok(text)) => shared(*kind, text),
            _ => KeyValue::Exact(text),
        }
    }

    /// Mostly what means something in a key, and one byte that is not UTF-8.
    fn texts(letter: u8) -> impl Strategy<Value = Vec<u8>> {
        let bytes = proptest::sample::select([&[letter, 0xff][..], br"|=~\{}#_"].concat());
        proptest::collection::vec(bytes, 0..4)
    }

    proptest! {
        #[test]
        fn different_descriptors_never_meet(
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
