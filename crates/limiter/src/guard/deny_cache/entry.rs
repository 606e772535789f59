//! One remembered denial, and the verdicts that it can answer.

use std::time::Duration;

use super::Instant;
use crate::domain::{Algorithm, Hit, Limit, RetryAfter, Source, Verdict};

/// The longest time that a denial is kept, so that a refund or reset by another process takes effect within it.
const MAX_KEPT: Duration = Duration::from_secs(1);

/// A denial by the store: a hit that asked for `asked` units under `limit`.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    limit: Limit,
    asked: u64,
    /// Taken before the store was asked, so that no time derived from it is later than the store's own.
    sent: Instant,
    end: Instant,
    reset_after: Duration,
    retry_after: RetryAfter,
    remaining: u64,
    count: u64,
}

impl Entry {
    /// The entry for a hit that was sent to the store at `sent`; `None` if it was allowed, or if the store has to see
    /// each such hit.
    pub(super) fn of(hit: &Hit, verdict: &Verdict, sent: Instant) -> Option<Self> {
        let counts_each = hit.limit.count_denied() && hit.limit.algorithm() != Algorithm::FixedWindow;
        if verdict.allowed || verdict.source != Source::Store || counts_each {
            return None;
        }
        let held = match verdict.retry_after {
            RetryAfter::Now => return None,
            RetryAfter::After(wait) => wait.min(MAX_KEPT),
            RetryAfter::Never => MAX_KEPT,
        };
        let &Verdict { remaining, reset_after, retry_after, after: count, .. } = verdict;
        let (limit, asked) = (hit.limit, hit.charge.amount());
        Some(Self { limit, asked, sent, end: sent + held, reset_after, retry_after, remaining, count })
    }

    pub(super) fn has_ended(&self, now: Instant) -> bool {
        self.end <= now
    }

    /// Whether a hit would be denied for the same reason: it asks for no less, under the same limit, before the entry
    /// ends.
    pub(super) fn covers(&self, hit: &Hit, now: Instant) -> bool {
        self.limit == hit.limit && hit.charge.amount() >= self.asked && !self.has_ended(now)
    }

    /// The verdict at `now` on a hit that this entry covers. `remaining` is the store's number from when it denied; it
    /// is 0 if that hit asked for one unit. The times are lower bounds: a hit that asks for more than the denied one,
    /// or that follows smaller ones that passed in the meantime, may have to wait longer. A hit that can never pass
    /// gets `Never`.
    pub(super) fn verdict(&self, hit: &Hit, now: Instant) -> Verdict {
        let asked = hit.charge.amount();
        let passed = now.saturating_duration_since(self.sent);
        let retry_after = match self.retry_after {
            RetryAfter::After(_) if asked > self.limit.burst() => RetryAfter::Never,
            RetryAfter::After(wait) => RetryAfter::After(wait.saturating_sub(passed)),
            other => other,
        };
        Verdict {
            allowed: false,
            remaining: self.remaining,
            reset_after: self.reset_after.saturating_sub(passed),
            retry_after,
            before: self.count,
            after: self.count,
            asked,
            granted: 0,
            source: Source::DenyCache,
        }
    }
}
