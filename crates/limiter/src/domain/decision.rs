//! The decision on one request, and how the outcomes of its descriptors determine it.

use std::{sync::Arc, time::Duration};

use smallvec::SmallVec;

use super::{Metadata, Unit};

/// The two decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The request may pass.
    Ok,
    /// The request is denied.
    OverLimit,
}

/// The limit that a status reports, in the units of the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentLimit {
    /// Requests per unit.
    pub requests: u64,
    /// The unit of the window.
    pub unit: Unit,
    /// How many units the window spans.
    pub multiplier: u32,
    /// The rule's name, if it has one.
    pub name: Option<Arc<str>>,
}

/// The outcome of one descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// After the rule's shadow mode is applied, before the global one is.
    pub code: Code,
    /// `None` if no limit applied.
    pub limit: Option<CurrentLimit>,
    /// How many hits of 1 would still pass.
    pub remaining: u64,
    /// Time until the counter is empty; `None` if no counter was involved.
    pub reset_after: Option<Duration>,
}

/// The decision on one request, with everything that a response needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The decision itself.
    pub code: Code,
    /// One for each descriptor, in order.
    pub statuses: SmallVec<[Status; 1]>,
    /// The index of the status that the response headers report: the one closest to its limit.
    pub tightest: Option<usize>,
    /// The metadata of the matched rules that passed, merged.
    pub metadata: Metadata,
    /// A failure mode answered for at least one hit, because the store could not be asked.
    pub degraded: bool,
    /// No rules exist for the request's domain, so nothing was counted.
    pub unknown_domain: bool,
}

impl Decision {
    /// Whether the request is denied.
    #[must_use]
    #[inline]
    pub fn over_limit(&self) -> bool {
        self.code == Code::OverLimit
    }
}

/// One descriptor's outcome, as far as the decision depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// At least one enforced limit is exceeded.
    pub over: bool,
    /// The rule is in shadow mode: not enforced.
    pub shadow: bool,
    /// The rule denies only if every other quota descriptor is over its limit too.
    pub quota: bool,
}

/// Whether descriptors, added one by one, deny their request. They do if an enforced descriptor that is not a quota is
/// over, or if there are quota descriptors and all of them are over. A shadow descriptor that is over counts as passed.
///
/// This is the only implementation of that rule; stores use it for atomic groups, the engine for the decision.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    refused: bool,
    quotas: bool,
    quota_passed: bool,
}

impl Tally {
    /// An empty tally. `quota_passed` is true if a quota descriptor passed that will not be added.
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

    /// Whether the descriptors added so far deny the request.
    #[must_use]
    #[inline]
    pub const fn refuses(self) -> bool {
        self.refused || self.quotas && !self.quota_passed
    }
}

/// [`Tally::refuses`] for a list of outcomes.
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
