//! The step after the store has answered: derives each descriptor's status and the overall answer, and updates the
//! statistics.

use std::cmp::Reverse;

use smallvec::SmallVec;

use super::{
    ActiveRules, DecideError, Options,
    plan::{Applied, Counted, LimitSource, Planned},
    stats::{DecisionResult, DecisionStats, Observation, Row},
};
use limiter::algorithm;
use limiter::domain::{
    Algorithm, Charge, Code, CurrentLimit, Decision, Limit, Metadata, Outcome, Source, Status, StoreError, Tally,
    Verdict, Verdicts,
};
use rules::{Domain, Rule};

/// The `limit_remaining` of an unlimited rule, as in the reference.
const UNLIMITED_REMAINING: u64 = u32::MAX as u64;

const UNCOUNTED: Status = Status { code: Code::Ok, limit: None, remaining: 0, reset_after: None };

/// Derives the decision from the verdicts, and updates the statistics.
pub(super) fn conclude(
    active: &ActiveRules,
    applied: &Applied,
    verdicts: &Verdicts,
    options: &Options,
    decisions: &DecisionStats,
) -> Result<Decision, DecideError> {
    let domain = applied.domain.map(|index| active.rules.domain_at(index));
    let descriptors = &applied.descriptors;
    let degraded = verdicts.iter().flatten().any(|verdict| verdict.source == Source::Degraded);
    let mut verdicts = verdicts.iter();
    let mut failure = None;
    let mut statuses: SmallVec<[Status; 1]> = SmallVec::with_capacity(descriptors.len());
    let mut tightest = Tightest::default();
    let mut metadata = Metadata::default();
    let mut tally = Tally::new(false);

    for planned in descriptors {
        let mut of_rules = None;
        let (status, over, shadow, quota) = match planned {
            // under the global quota mode, a quota that passed
            Planned::Uncounted => (UNCOUNTED, false, false, options.modes.quota),
            Planned::Unknown => (Status { code: Code::OverLimit, ..UNCOUNTED }, true, false, options.modes.quota),
            Planned::Unlimited => (Status { remaining: UNLIMITED_REMAINING, ..UNCOUNTED }, false, false, false),
            Planned::Counted(counted) => {
                let counted = Charged::new(active, domain, counted);
                let quota = options.modes.quota || counted.rule.is_some_and(Rule::quota);
                if let Some(of_rule) = counted.rule.and_then(Rule::metadata) {
                    of_rules = Some(of_rule);
                }
                match status(&counted, &mut verdicts, options, decisions) {
                    Ok((status, over)) => (status, over, counted.shadow, quota),
                    Err(error) => {
                        failure = Some(error);
                        // not known to be over: it neither denies nor counts as a used-up quota
                        (UNCOUNTED, false, counted.shadow, quota)
                    }
                }
            }
        };
        tally.add(Outcome { over, shadow, quota });
        tightest.offer(statuses.len(), &status, quota);
        if let (Some(of_rule), Code::Ok) = (of_rules, status.code) {
            metadata.merge(of_rule);
        }
        statuses.push(status);
    }

    let refused = tally.refuses();
    if !refused && let Some(failure) = failure {
        return Err(failure.into());
    }
    let shadowed = refused && options.modes.shadow;
    if shadowed {
        decisions.global_shadow_mode();
    }
    let code = if refused && !shadowed { Code::OverLimit } else { Code::Ok };
    let unknown_domain = domain.is_none();
    Ok(Decision { code, statuses, tightest: tightest.index, metadata, degraded, unknown_domain })
}

/// A charged descriptor, resolved in the active rules.
struct Charged<'a> {
    limits: &'a [Limit],
    /// `None` for an override.
    rule: Option<&'a Rule>,
    row: &'a Row,
    shadow: bool,
    charge: Charge,
}

impl<'a> Charged<'a> {
    fn new(active: &'a ActiveRules, domain: Option<&'a Domain>, counted: &'a Counted) -> Self {
        let charge = counted.charge;
        match &counted.by {
            LimitSource::Rule { id, series } => {
                let rule = domain.expect("a rule is of the request's domain").rule(*id);
                let row = series.as_deref().unwrap_or_else(|| active.stats.row(*id));
                Self { limits: rule.limits(), rule: Some(rule), row, shadow: rule.shadow(), charge }
            }
            LimitSource::Override { limit, series } => {
                Self { limits: std::slice::from_ref(limit), rule: None, row: series, shadow: false, charge }
            }
        }
    }
}

/// The status of a charged descriptor, and whether it is over its limit (whatever its shadow mode). Consumes its
/// verdicts.
fn status<'v>(
    counted: &Charged<'_>,
    verdicts: &mut impl Iterator<Item = &'v Result<Verdict, StoreError>>,
    options: &Options,
    decisions: &DecisionStats,
) -> Result<(Status, bool), StoreError> {
    let limits = counted.limits;
    let mut worst: Option<(&Limit, &Verdict)> = None;
    let mut failure = None;
    for limit in limits {
        match verdicts.next() {
            Some(Ok(verdict)) => {
                decisions.debt_forgiven(algorithm::debt_forgiven(limit, verdict));
                if worst.is_none_or(|(_, worst)| tighter(verdict, worst)) {
                    worst = Some((limit, verdict));
                }
            }
            Some(Err(error)) => failure = Some(*error),
            None => failure = Some(StoreError::Closed),
        }
    }
    let (limit, verdict) = match (worst, failure) {
        (Some(worst), None) => worst,
        (Some(worst), Some(_)) if !worst.1.allowed => worst,
        (_, failure) => {
            counted.row.record_failed(counted.charge);
            decisions.decided(limits[0].algorithm(), DecisionResult::Error);
            return Err(failure.unwrap_or(StoreError::Closed));
        }
    };
    let over = !verdict.allowed;
    counted.row.record(
        &Observation { verdict, charge: counted.charge, limit: limit.burst(), shadow: counted.shadow },
        options.near_limit_ratio,
    );
    let (code, result) = match (over, counted.shadow) {
        (false, _) => (Code::Ok, DecisionResult::Ok),
        (true, false) => (Code::OverLimit, DecisionResult::OverLimit),
        (true, true) => (Code::Ok, DecisionResult::Shadowed),
    };
    decisions.decided(limit.algorithm(), result);
    let status = Status {
        code,
        limit: Some(CurrentLimit {
            requests: limit.requests(),
            unit: limit.window().unit(),
            multiplier: limit.window().multiplier().get(),
            name: counted.rule.and_then(|rule| rule.name().cloned()),
        }),
        // a denied hit may leave some of a fixed window, if it was not charged; the answer is 0 as in the reference
        remaining: if over && limit.algorithm() == Algorithm::FixedWindow { 0 } else { verdict.remaining },
        reset_after: Some(verdict.reset_after),
    };
    Ok((status, over))
}

/// Whether the first of two limits of a descriptor is the one to report: a denied one before an allowed one, then the
/// one with less remaining, then the one with the later reset.
fn tighter(one: &Verdict, other: &Verdict) -> bool {
    let rank = |verdict: &Verdict| (verdict.allowed, verdict.remaining, Reverse(verdict.reset_after));
    rank(one) < rank(other)
}

/// The status that headers report, chosen as in the reference: the last enforced one that is over its limit, else the
/// one with the least remaining.
#[derive(Default)]
struct Tightest {
    index: Option<usize>,
    remaining: Option<u64>,
}

impl Tightest {
    fn offer(&mut self, index: usize, status: &Status, quota: bool) {
        if status.limit.is_none() {
            return;
        }
        if status.code == Code::OverLimit && !quota {
            (self.index, self.remaining) = (Some(index), Some(0));
        } else if self.remaining.is_none_or(|least| status.remaining < least) {
            (self.index, self.remaining) = (Some(index), Some(status.remaining));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use limiter::domain::RetryAfter;

    fn verdict(allowed: bool, remaining: u64, reset_seconds: u64) -> Verdict {
        let (reset_after, source) = (Duration::from_secs(reset_seconds), Source::Store);
        Verdict {
            allowed,
            remaining,
            reset_after,
            retry_after: RetryAfter::Now,
            before: 0,
            after: 0,
            asked: 1,
            granted: 0,
            source,
        }
    }

    #[test]
    fn of_two_limits_with_equal_remaining_the_one_with_the_later_reset_is_reported() {
        let (second, day) = (verdict(false, 0, 1), verdict(false, 0, 86_400));
        assert!(tighter(&day, &second), "a caller that waits only a second is denied again");
        assert!(!tighter(&second, &day));
        assert!(tighter(&second, &verdict(false, 1, 86_400)));
        assert!(tighter(&second, &verdict(true, 0, 86_400)));
    }
}
