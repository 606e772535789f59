//! What became of one hit.

use std::time::Duration;

use smallvec::SmallVec;

use super::StoreError;

/// When the same hit could pass, if nobody else charges the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetryAfter {
    /// At once: it was allowed.
    Now,
    /// After this long.
    After(Duration),
    /// However long one waits: it asks for more than the limit ever holds.
    Never,
}

/// Who gave a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The store counted.
    Store,
    /// A denial remembered by this process.
    DenyCache,
    /// The store could not be asked; a failure mode answered.
    Degraded,
}

/// The outcome of one hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// Whether the hit itself is within its limit. Shadow and quota rules report theirs like any other.
    pub allowed: bool,
    /// How many single hits would still pass.
    pub remaining: u64,
    /// Until the counter is as if never charged: the window's end, or a full bucket.
    pub reset_after: Duration,
    /// Until the same hit could pass.
    pub retry_after: RetryAfter,
    /// The count before the hit, rounded down: of the window, of the estimate, or of tokens taken from the bucket.
    pub before: u64,
    /// The count after it; equal to `before` if nothing was charged.
    pub after: u64,
    /// Units asked for (or given back).
    pub asked: u64,
    /// Units that may be used, at most `asked`.
    pub granted: u64,
    /// Who says so.
    pub source: Source,
}

/// One outcome for each hit of a group, in order. Each may fail alone: a group can span two stores.
pub type Verdicts = SmallVec<[Result<Verdict, StoreError>; 1]>;
