//! What a caller asks: a domain and a list of descriptors. Borrowed from the wire message, so nothing is copied.
//!
//! Keys, values and the domain are bytes, whatever the wire format calls them: Envoy copies header values into
//! descriptors unchecked, and a value must not escape its limit by a byte that is not UTF-8.

use std::fmt;

use smallvec::SmallVec;

use super::{Escaped, Unit};

/// One key/value pair of a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry<'a> {
    /// Never checked here: an empty key merely matches no rule.
    pub key: &'a [u8],
    /// May be empty, which matches a rule without a value.
    pub value: &'a [u8],
}

impl<'a> Entry<'a> {
    /// An entry of texts or bytes.
    #[must_use]
    #[inline]
    pub fn new(key: &'a (impl AsRef<[u8]> + ?Sized), value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { key: key.as_ref(), value: value.as_ref() }
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}={:?}", Escaped(self.key).to_text(), Escaped(self.value).to_text())
    }
}

/// A limit that the request brings along, in place of the rules' one. Always a fixed window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitOverride {
    /// Requests allowed per `unit`.
    pub requests: u32,
    /// The window.
    pub unit: Result<Unit, UnknownUnit>,
}

/// A number that stands for no unit. It is an error only where there are rules to apply it by: in a domain without any
/// every request passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownUnit(pub i32);

/// An ordered list of entries, and how much of its limit it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor<'a> {
    /// In the caller's order; matching goes level by level.
    pub entries: SmallVec<[Entry<'a>; 4]>,
    /// The request's own limit, if it brings one.
    pub limit: Option<LimitOverride>,
    /// Hits for this descriptor alone; `Some(0)` looks without charging, `None` takes the request's.
    pub hits_addend: Option<u64>,
    /// Give the hits back instead of taking them.
    pub is_negative_hits: bool,
}

/// One question: may this pass?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Which set of rules to ask. One that is not UTF-8 has none.
    pub domain: &'a [u8],
    /// Every one of them is matched and charged.
    pub descriptors: SmallVec<[Descriptor<'a>; 1]>,
    /// Hits for each descriptor that has none of its own; 0 means 1.
    pub hits_addend: u64,
}

impl Descriptor<'_> {
    /// The units this descriptor asks for (or gives back), given the request's own `hits_addend`.
    #[must_use]
    #[inline]
    pub fn hits(&self, request_hits: u64) -> u64 {
        self.hits_addend.unwrap_or(request_hits.max(1))
    }
}
