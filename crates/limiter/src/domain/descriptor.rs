//! A rate limit request: a domain and a list of descriptors. Borrowed from the wire message, so nothing is copied.
//!
//! Keys, values and the domain are bytes, although the wire format declares text: Envoy copies header values into
//! descriptors unchecked, and a value must not escape its limit because of a byte that is not UTF-8.

use std::fmt;

use smallvec::SmallVec;

use super::{Charge, Escaped, Unit};

/// One key/value pair of a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry<'a> {
    /// Not validated here: an empty key simply matches no rule.
    pub key: &'a [u8],
    /// May be empty; then it matches a rule without a value.
    pub value: &'a [u8],
}

impl<'a> Entry<'a> {
    /// An entry from text or bytes.
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

/// A limit that the request itself carries and that replaces the one of the rules. Always a fixed window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitOverride {
    /// Requests allowed per `unit`.
    pub requests: u32,
    /// The unit of the window, if its number is known.
    pub unit: Result<Unit, UnknownUnit>,
}

/// The number of no known unit. It is an error only if the domain has rules: in a domain without rules every request
/// passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownUnit(pub i32);

/// An ordered list of entries, and the amount that it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor<'a> {
    /// In the caller's order; rules are matched level by level.
    pub entries: SmallVec<[Entry<'a>; 4]>,
    /// The limit that the request carries, if any.
    pub limit: Option<LimitOverride>,
    /// Units to charge for this descriptor; `Some(0)` looks without charging, `None` uses the request's amount.
    pub amount: Option<u64>,
    /// Give the units back instead of taking them.
    pub gives_back: bool,
}

/// One rate limit request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The rules to use. A domain that is not valid UTF-8 has no rules.
    pub domain: &'a [u8],
    /// Each of them is matched and charged.
    pub descriptors: SmallVec<[Descriptor<'a>; 1]>,
    /// Units to charge for each descriptor without an amount of its own; 0 means 1.
    pub amount: u64,
}

impl<'a> Request<'a> {
    /// A request that charges one unit for each descriptor without an amount of its own.
    #[must_use]
    pub fn new(domain: &'a (impl AsRef<[u8]> + ?Sized), descriptors: impl IntoIterator<Item = Descriptor<'a>>) -> Self {
        Self { domain: domain.as_ref(), descriptors: descriptors.into_iter().collect(), amount: 0 }
    }
}

impl<'a> Descriptor<'a> {
    /// A descriptor without a limit or an amount of its own.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = Entry<'a>>) -> Self {
        Self { entries: entries.into_iter().collect(), limit: None, amount: None, gives_back: false }
    }

    /// What this descriptor does to its counters, given the amount of the request.
    #[must_use]
    #[inline]
    pub fn charge(&self, request_amount: u64) -> Charge {
        let amount = self.amount.unwrap_or(request_amount.max(1));
        if self.gives_back { Charge::Give(amount) } else { Charge::Take(amount) }
    }
}
