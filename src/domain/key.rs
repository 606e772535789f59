//! The name of a counter: the same for the same prefix, domain, entries, algorithm and window, different for any two
//! that differ in one of them.
//!
//! Layout: `prefix{domain|key=value|key~pattern}f60`. Inside the braces each of `\ | = ~ # { }` is escaped by `\`, so no
//! two inputs meet and the braces are ours alone: on a Redis Cluster they make all limits of one descriptor share a
//! slot. `=` is followed by the request's value (the usual text of an address, where a rule asks for a network), `#` by a keyed hash of it, `~` by a rule's pattern that many values
//! share: `~=` if that is a list of values, `~#` of networks, `~~` a regular expression. The last part is the algorithm's
//! letter and the window in seconds, or as in `f1month@Europe/Berlin` by the calendar of a time zone. A key longer than
//! 200 bytes is replaced by `#` and a 128-bit hash of itself. The limit's number is not part of the key: raising it keeps
//! the count.

use std::{fmt, net::IpAddr};

use smallvec::SmallVec;

use super::{Algorithm, Window};

type Bytes = SmallVec<[u8; 96]>;

/// The name of one counter. See the module's documentation for its layout.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CounterKey(Bytes);

impl CounterKey {
    /// Keys longer than this are replaced by their hash.
    pub const MAX_BYTES: usize = 200;

    /// A key of the caller's own making, for tests and for callers that name counters themselves.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(Bytes::from_slice(bytes))
    }

    /// The name as bytes; UTF-8 if the builder made it.
    #[must_use]
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
        f.write_str(&String::from_utf8_lossy(&self.0))
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
    Exact(&'a str),
    /// The address that the request's value is, however it is written there: its usual text stands in the key.
    Address(IpAddr),
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
#[derive(Clone, Default)]
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

    /// The part of the key that all limits of one descriptor share.
    #[must_use]
    pub fn base<'a>(&self, domain: &str, entries: impl IntoIterator<Item = (&'a str, KeyValue<'a>)>) -> KeyBase {
        let mut bytes = Bytes::new();
        bytes.extend_from_slice(self.prefix.as_bytes());
        bytes.push(b'{');
        escape(&mut bytes, domain);
        for (key, value) in entries {
            bytes.push(b'|');
            escape(&mut bytes, key);
            match value {
                KeyValue::Exact(value) => self.value(&mut bytes, value),
                KeyValue::Address(address) => self.value(&mut bytes, &address.to_string()),
                KeyValue::Shared { kind, text } => {
                    // a second mark cannot come from the text, where it would be escaped
                    bytes.extend_from_slice(match kind {
                        SharedKind::Glob => b"~",
                        SharedKind::List => b"~=",
                        SharedKind::Cidr => b"~#",
                        SharedKind::Regex => b"~~",
                    });
                    escape(&mut bytes, text);
                }
            }
        }
        bytes.push(b'}');
        if bytes.len() > CounterKey::MAX_BYTES {
            let hash = blake3::hash(&bytes);
            bytes.truncate(self.prefix.len());
            bytes.extend_from_slice(b"{#");
            push_hash(&mut bytes, hash);
            bytes.push(b'}');
        }
        KeyBase(bytes)
    }

    fn value(&self, into: &mut Bytes, value: &str) {
        match &self.secret {
            None => {
                into.push(b'=');
                escape(into, value);
            }
            Some(secret) => {
                into.push(b'#');
                push_hash(into, blake3::keyed_hash(secret, value.as_bytes()));
            }
        }
    }
}

/// A counter key that still lacks its algorithm and window.
#[derive(Clone, Debug)]
pub struct KeyBase(Bytes);

impl KeyBase {
    /// The key of the counter for this algorithm and window.
    #[must_use]
    pub fn counter(mut self, algorithm: Algorithm, window: Window) -> CounterKey {
        self.0.push(match algorithm {
            Algorithm::FixedWindow => b'f',
            Algorithm::SlidingWindow => b's',
            Algorithm::TokenBucket => b'b',
        });
        match window.calendar() {
            None => push_decimal(&mut self.0, window.seconds()),
            Some(calendar) => {
                push_decimal(&mut self.0, window.multiplier().get().into());
                self.0.extend_from_slice(window.unit().name().as_bytes());
                self.0.push(b'@');
                self.0.extend_from_slice(calendar.zone().name().as_bytes());
            }
        }
        CounterKey(self.0)
    }
}

/// Whether the byte means something in a key.
const fn is_mark(byte: u8) -> bool {
    matches!(byte, b'\\' | b'|' | b'=' | b'~' | b'#' | b'{' | b'}')
}

fn escape(into: &mut Bytes, text: &str) {
    let mut rest = text.as_bytes();
    // nearly always there is none; looked for without stopping, which the compiler does many bytes at a time
    if !rest.iter().fold(false, |found, byte| found | is_mark(*byte)) {
        into.extend_from_slice(rest);
        return;
    }
    while let Some(at) = rest.iter().position(|byte| is_mark(*byte)) {
        into.extend_from_slice(&rest[..at]);
        into.extend_from_slice(&[b'\\', rest[at]]);
        rest = &rest[at + 1..];
    }
    into.extend_from_slice(rest);
}

fn push_hash(into: &mut Bytes, hash: blake3::Hash) {
    into.extend_from_slice(&hash.to_hex().as_bytes()[..32]);
}

fn push_decimal(into: &mut Bytes, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    into.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Unit;

    fn key(builder: &KeyBuilder, domain: &str, entries: &[(&str, KeyValue<'_>)]) -> CounterKey {
        builder.base(domain, entries.iter().copied()).counter(Algorithm::FixedWindow, Unit::Minute.into())
    }

    fn shared(kind: SharedKind, text: &str) -> KeyValue<'_> {
        KeyValue::Shared { kind, text }
    }

    #[test]
    fn a_key_reads_like_its_descriptor() {
        let built = key(
            &KeyBuilder::new("p:"),
            "shop",
            &[("path", KeyValue::Exact("/a")), ("ip", shared(SharedKind::Glob, "10.*"))],
        );
        assert_eq!(built.to_string(), "p:{shop|path=/a|ip~10.*}f60");
    }

    #[test]
    fn the_reference_s_collisions_are_gone() {
        let builder = KeyBuilder::default();
        let keys = [
            key(&builder, "d", &[("a_b", KeyValue::Exact("c"))]),
            key(&builder, "d", &[("a", KeyValue::Exact("b_c"))]),
            key(&builder, "d", &[("a", KeyValue::Exact("b")), ("c", KeyValue::Exact(""))]),
            key(&builder, "d", &[("a", KeyValue::Exact("b|c="))]),
            key(&builder, "d|a=b", &[("c", KeyValue::Exact(""))]),
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
        let built = key(&KeyBuilder::new("p:"), "d", &[("k", KeyValue::Exact(&long))]);
        assert!(built.as_bytes().len() < 64, "{built}");
        assert!(built.to_string().starts_with("p:{#"), "{built}");
        let other = key(&KeyBuilder::new("p:"), "d", &[("k", KeyValue::Exact(&long[1..]))]);
        assert_ne!(built, other);
    }

    #[test]
    fn hashed_values_are_not_readable_and_depend_on_the_secret() {
        let value = [("token", KeyValue::Exact("s3cret"))];
        let one = key(&KeyBuilder::default().hashing_values("a"), "d", &value);
        let two = key(&KeyBuilder::default().hashing_values("b"), "d", &value);
        assert_ne!(one, two);
        assert!(!one.to_string().contains("s3cret"));
    }

    #[test]
    fn an_address_is_its_usual_text_hashed_or_not() {
        for builder in [KeyBuilder::default(), KeyBuilder::default().hashing_values("a")] {
            for usual in ["10.0.0.1", "2001:db8::1"] {
                let address = KeyValue::Address(usual.parse().expect("an address"));
                assert_eq!(
                    key(&builder, "d", &[("ip", address)]),
                    key(&builder, "d", &[("ip", KeyValue::Exact(usual))])
                );
            }
        }
    }

    proptest! {
        #[test]
        fn different_descriptors_never_meet(
            one in proptest::collection::vec(("[a|=~\\\\{}#_]{0,3}", "[b|=~\\\\{}#_]{0,3}", 0..5usize), 1..4),
            two in proptest::collection::vec(("[a|=~\\\\{}#_]{0,3}", "[b|=~\\\\{}#_]{0,3}", 0..5usize), 1..4),
        ) {
            let kinds = [SharedKind::Glob, SharedKind::List, SharedKind::Cidr, SharedKind::Regex];
            let build = |entries: &[(String, String, usize)]| {
                let entries: Vec<_> = entries.iter().map(|(key, text, kind)| {
                    (key.as_str(), kinds.get(*kind).map_or(KeyValue::Exact(text), |kind| shared(*kind, text)))
                }).collect();
                key(&KeyBuilder::default(), "d", &entries)
            };
            prop_assert_eq!(one == two, build(&one) == build(&two));
        }
    }
}
