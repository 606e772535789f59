//! The outcome of one hit.

use std::time::Duration;

use smallvec::SmallVec;

use super::StoreError;

/// When the same hit could pass, if no other hit is charged in the meantime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetryAfter {
    /// Now: it was allowed.
    Now,
    /// After this long.
    After(Duration),
    /// Not at any time: it asks for more than the limit ever holds.
    Never,
}

/// Where a verdict comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The store counted.
    Store,
    /// A denial that this process remembers.
    DenyCache,
    /// A failure mode, because the store could not be asked.
    Degraded,
}

/// The outcome of one hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// Whether the hit itself is within its limit. Hits of shadow and quota rules report it like any other.
    pub allowed: bool,
    /// How many hits of 1 would still pass.
    pub remaining: u64,
    /// Time until the counter is equal to one that was never charged: the end of the window, or a full bucket.
    pub reset_after: Duration,
    /// Time until the same hit could pass.
    pub retry_after: RetryAfter,
    /// The count before the hit, rounded down: of the window, of the sliding estimate, or of the tokens missing from
    /// the bucket.
    pub before: u64,
    /// The count after the hit; equal to `before` if nothing was charged.
    pub after: u64,
    /// Units asked for, or given back.
    pub asked: u64,
    /// Units that the caller may use, at most `asked`.
    pub granted: u64,
    /// Where this verdict comes from.
    pub source: Source,
}

/// One outcome for each hit of a group, in order. Each can fail on its own: a group can span several servers.
pub type Verdicts = SmallVec<[Result<Verdict, StoreError>; 1]>;
