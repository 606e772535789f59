//! Charges on counters, and the groups in which one request makes them.

use std::time::Instant;

use smallvec::SmallVec;

use super::{CounterKey, FailureMode, Limit, MAX_COUNT, Timestamp};

/// What a hit does to its counter. Amounts saturate at [`MAX_COUNT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Charge {
    /// Take this many. 0 looks without charging; it is denied once the count is above the limit. If the limit does not
    /// count denied hits, the count never gets above it, and 0 is denied if 1 would be.
    Take(u64),
    /// Give this many back. Always allowed.
    Give(u64),
}

impl Charge {
    /// Checks whether the counter is over its limit, without charging it.
    pub const LOOK: Self = Self::Take(0);

    /// The amount, at most [`MAX_COUNT`].
    #[must_use]
    #[inline]
    pub const fn amount(self) -> u64 {
        let (Self::Take(n) | Self::Give(n)) = self;
        if n > MAX_COUNT { MAX_COUNT } else { n }
    }

    /// Whether the amount is 0, so that the counter does not change.
    #[must_use]
    #[inline]
    pub const fn is_look(self) -> bool {
        self.amount() == 0
    }
}

/// One charge on one counter.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The counter to charge.
    pub key: CounterKey,
    /// The limit that applies to it.
    pub limit: Limit,
    /// What to take or give.
    pub charge: Charge,
    /// Shadow mode: counted and reported, never enforced.
    pub shadow: bool,
    /// Denies only if every other quota descriptor of the request is over its limit too.
    pub quota: bool,
    /// The index of the descriptor that this hit is for. Hits with equal indices are adjacent and are charged all or
    /// none.
    pub descriptor: u32,
    /// The answer if the store fails.
    pub on_store_failure: FailureMode,
}

impl Hit {
    /// An enforced hit for descriptor 0, with failure mode `error`.
    #[must_use]
    pub fn new(key: CounterKey, limit: Limit, charge: Charge) -> Self {
        let on_store_failure = FailureMode::Error;
        Self { key, limit, charge, shadow: false, quota: false, descriptor: 0, on_store_failure }
    }
}

/// All the hits of one request, charged in order. The hits of an atomic group are committed together, and so are those
/// of one descriptor.
#[derive(Clone, Debug)]
pub struct Group {
    /// In the order of the request's descriptors.
    pub hits: SmallVec<[Hit; 1]>,
    /// All or nothing: if the group is denied, no enforced hit is charged or refunded, except those that are over their
    /// own limit if that limit counts denied hits.
    pub atomic: bool,
    /// A quota descriptor of the request passed without a counter, so quota rules cannot deny the request.
    pub quota_passed: bool,
    /// The request is denied whatever the counters say; an atomic group is then charged as a denied one.
    pub refused: bool,
    /// The time to count at; `None` for the store's own clock.
    pub now: Option<Timestamp>,
    /// When the caller stops waiting for the answer.
    pub deadline: Option<Instant>,
}

impl Group {
    /// A group in which each descriptor is charged on its own, at the store's time, without a deadline.
    #[must_use]
    pub fn new(hits: impl IntoIterator<Item = Hit>) -> Self {
        Self::of(hits.into_iter().collect())
    }

    /// A group of one hit.
    #[must_use]
    pub fn single(hit: Hit) -> Self {
        Self::of(SmallVec::from_buf([hit]))
    }

    fn of(hits: SmallVec<[Hit; 1]>) -> Self {
        Self { hits, atomic: false, quota_passed: false, refused: false, now: None, deadline: None }
    }

    /// The same group, charged all or nothing.
    #[must_use]
    pub fn atomic(self) -> Self {
        Self { atomic: true, ..self }
    }

    /// The same group, counted at `now`.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        Self { now: Some(now), ..self }
    }
}
