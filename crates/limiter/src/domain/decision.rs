//! The answer to one request, and the rule by which descriptors' outcomes make it.

use std::{sync::Arc, time::Duration};

use smallvec::SmallVec;

use super::{Metadata, Unit};

/// The two answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// It may pass.
    Ok,
    /// It may not.
    OverLimit,
}

/// The limit that a status reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentLimit {
    /// Requests per unit.
    pub requests: u64,
    /// The unit.
    pub unit: Unit,
    /// How many units the window spans.
    pub multiplier: u32,
    /// The rule's name, if it has one.
    pub name: Option<Arc<str>>,
}

/// The outcome of one descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// After shadow mode of the rule, before the global one.
    pub code: Code,
    /// None if no limit applied.
    pub limit: Option<CurrentLimit>,
    /// What is left of it.
    pub remaining: u64,
    /// None where no counter was asked.
    pub reset_after: Option<Duration>,
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The answer.
    pub code: Code,
    /// One for each descriptor, in order.
    pub statuses: SmallVec<[Status; 1]>,
    /// The status that response headers speak of: the one closest to its limit.
    pub tightest: Option<usize>,
    /// What the matched rules that passed have to say, merged.
    pub metadata: Metadata,
    /// The store could not be asked for a part of it: a failure mode answered.
    pub degraded: bool,
    /// No rules have the request's domain, so nothing was counted.
    pub unknown_domain: bool,
}

impl Decision {
    /// Whether the answer is no.
    #[must_use]
    #[inline]
    pub fn over_limit(&self) -> bool {
        self.code == Code::OverLimit
    }
}

/// One descriptor's outcome, as far as the overall answer depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Over its limit.
    pub over: bool,
    /// Not enforced.
    pub shadow: bool,
    /// Refuses only together with all other quota descriptors.
    pub quota: bool,
}

/// Whether descriptors refuse their request, told of them one by one: one that is enforced and not a quota is over, or
/// there are quota descriptors and all of them are over. A shadow descriptor that is over counts as passed.
///
/// This is the one place that says so; stores ask it for atomic groups, the engine for the answer.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    refused: bool,
    quotas: bool,
    quota_passed: bool,
}

impl Tally {
    /// Of no descriptor yet, but `quota_passed` if one passed that is not told.
    #[must_use]
    #[inline]
    pub const fn new(quota_passed: bool) -> Self {
        Self { refused: false, quotas: false, quota_passed }
    }

    /// Adds a descriptor.
    pub const fn add(&mut self, outcome: Outcome) {
        let over = outcome.over && !outcome.shadow;
        if outcome.quota {
            self.quotas = true;
            self.quota_passed |= !over;
        } else {
            self.refused |= over;
        }
    }

    /// Whether those that were added refuse the request.
    #[must_use]
    #[inline]
    pub const fn refuses(self) -> bool {
        self.refused || self.quotas && !self.quota_passed
    }
}

/// [`Tally::refuses`] of all these.
#[must_use]
#[inline]
pub fn refuses(outcomes: impl IntoIterator<Item = Outcome>, quota_passed: bool) -> bool {
    let mut tally = Tally::new(quota_passed);
    outcomes.into_iter().for_each(|outcome| tally.add(outcome));
    tally.refuses()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVER: Outcome = Outcome { over: true, shadow: false, quota: false };
    const PASSED: Outcome = Outcome { over: false, ..OVER };

    fn quota(outcome: Outcome) -> Outcome {
        Outcome { quota: true, ..outcome }
    }

    fn shadow(outcome: Outcome) -> Outcome {
        Outcome { shadow: true, ..outcome }
    }

    #[test]
    fn one_enforced_over_refuses() {
        assert!(refuses([PASSED, OVER], false));
        assert!(refuses([quota(PASSED), OVER], true));
        assert!(!refuses([PASSED, shadow(OVER)], false));
        assert!(!refuses([], false));
    }

    #[test]
    fn quotas_refuse_together() {
        assert!(refuses([quota(OVER), quota(OVER), PASSED], false));
        assert!(!refuses([quota(OVER), quota(PASSED)], false));
        assert!(!refuses([quota(OVER)], true));
        assert!(!refuses([quota(OVER), quota(shadow(OVER))], false));
    }
}
