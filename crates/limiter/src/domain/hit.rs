//! Charges on counters, and the groups in which a request makes them.

use std::time::Instant;

use smallvec::SmallVec;

use super::{CounterKey, FailureMode, Limit, MAX_COUNT, Timestamp};

/// What a hit does to its counter. Amounts saturate at [`MAX_COUNT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Charge {
    /// Take this many; 0 looks without charging, and is over once the count is above the limit. If the limit does not
    /// count what it denies, that never comes to be, and 0 is over when 1 would be.
    Take(u64),
    /// Give this many back. Always passes.
    Give(u64),
}

impl Charge {
    /// Asks whether the counter is over, without charging it.
    pub const LOOK: Self = Self::Take(0);

    /// The amount, at most [`MAX_COUNT`].
    #[must_use]
    #[inline]
    pub const fn amount(self) -> u64 {
        let (Self::Take(n) | Self::Give(n)) = self;
        if n > MAX_COUNT { MAX_COUNT } else { n }
    }

    /// Whether it can change the counter.
    #[must_use]
    #[inline]
    pub const fn is_look(self) -> bool {
        self.amount() == 0
    }
}

/// One charge on one counter.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The counter.
    pub key: CounterKey,
    /// What the counter may hold.
    pub limit: Limit,
    /// What to take or give.
    pub charge: Charge,
    /// Counted and reported, never enforced.
    pub shadow: bool,
    /// Refuses only together with every other quota descriptor of the request.
    pub quota: bool,
    /// Which descriptor of the request this is for. Hits with one number stand next to each other and are charged
    /// all or none.
    pub descriptor: u32,
    /// What to answer if the store fails.
    pub on_store_failure: FailureMode,
}

impl Hit {
    /// An enforced hit on its own.
    #[must_use]
    pub fn new(key: CounterKey, limit: Limit, charge: Charge) -> Self {
        let on_store_failure = FailureMode::Error;
        Self { key, limit, charge, shadow: false, quota: false, descriptor: 0, on_store_failure }
    }
}

/// All the hits of one request, handled in order. Those of an atomic group, and of one descriptor, are committed together.
#[derive(Clone, Debug)]
pub struct Group {
    /// In the order of the request's descriptors.
    pub hits: SmallVec<[Hit; 1]>,
    /// All or nothing: if the group's decision is over the limit, no enforced member is charged or refunded, but for
    /// those that are over themselves under a limit that counts what it denies.
    pub atomic: bool,
    /// A quota descriptor of the request passed without a counter, so quota rules cannot refuse it.
    pub quota_passed: bool,
    /// The request is refused whatever the counters say, and an atomic group charged as one that refused itself.
    pub refused: bool,
    /// The time to count at, in place of the store's own clock.
    pub now: Option<Timestamp>,
    /// When the caller no longer needs the answer.
    pub deadline: Option<Instant>,
}

impl Group {
    /// A group that charges each descriptor on its own, at the store's time, without a deadline.
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

    /// The same group, all or nothing.
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
