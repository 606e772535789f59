//! One denial that is remembered, and what may be answered from it.

use std::time::Duration;

use super::Instant;
use crate::domain::{Algorithm, Hit, Limit, RetryAfter, Source, Verdict};

/// The longest that a denial is held: a refund or a reset by another process is seen after it.
const LONGEST: Duration = Duration::from_secs(1);

/// A denial by the store of `asked` units under `limit`.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    limit: Limit,
    asked: u64,
    /// Before the store answered, so that nothing derived from it is later than the store's own time.
    sent: Instant,
    end: Instant,
    reset_after: Duration,
    retry_after: RetryAfter,
    remaining: u64,
    count: u64,
}

impl Entry {
    /// What there is to remember of a hit that was asked for at `sent`; `None` if it was allowed, or has to be asked
    /// for again for another reason.
    pub(super) fn of(hit: &Hit, verdict: &Verdict, sent: Instant) -> Option<Self> {
        let counts_each = hit.limit.count_denied() && hit.limit.algorithm() != Algorithm::FixedWindow;
        if verdict.allowed || verdict.source != Source::Store || counts_each {
            return None;
        }
        let held = match verdict.retry_after {
            RetryAfter::Now => return None,
            RetryAfter::After(wait) => wait.min(LONGEST),
            RetryAfter::Never => LONGEST,
        };
        let &Verdict { remaining, reset_after, retry_after, after: count, .. } = verdict;
        let (limit, asked) = (hit.limit, hit.charge.amount());
        Some(Self { limit, asked, sent, end: sent + held, reset_after, retry_after, remaining, count })
    }

    pub(super) fn has_ended(&self, now: Instant) -> bool {
        self.end <= now
    }

    /// Whether a hit would be denied for the same reason: no smaller, under the same limit, not too late.
    pub(super) fn covers(&self, hit: &Hit, now: Instant) -> bool {
        self.limit == hit.limit && hit.charge.amount() >= self.asked && !self.has_ended(now)
    }

    /// What a hit that is covered gets at `now`. What remains is what did when the store was asked; it is 0 in any case
    /// if that was for one unit. The times are the earliest: who asks for more than was denied, or comes after smaller
    /// amounts that passed meanwhile, may have to wait longer; who could never pass learns it.
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
