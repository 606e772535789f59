//! Answers in place of a limiter that has failed, according to each hit's failure mode.
//!
//! `error` leaves the failure as it is. `allow` and `deny` answer without counting. `local` counts in a store of this
//! process, with the limit's share of one process; what was counted there stays there until it expires, and is not
//! carried over when the limiter answers again. Of the modes of several descriptors the engine takes the strictest
//! outcome; here each hit is on its own.

mod stats;
#[cfg(test)]
mod tests;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use smallvec::SmallVec;

pub use self::stats::DegradedStats;
use crate::domain::{
    Capabilities, Charge, CounterKey, FailureMode, Group, Hit, Outcome, RateLimiter, RetryAfter, Source, StoreError,
    Verdict, Verdicts, refuses,
};

/// The retry-after of a denial: the limiter may be back before the limit's window ends.
const DENIED_FOR: Duration = Duration::from_secs(1);

/// A limiter whose failures are answered by each hit's failure mode.
#[derive(Debug)]
pub struct FailMode<L, F> {
    inner: L,
    fallback: Arc<Fallback<F>>,
}

/// What answers in place of the limiter.
#[derive(Debug)]
struct Fallback<F> {
    local: Arc<F>,
    replicas: NonZeroU32,
    stats: Arc<DegradedStats>,
}

impl<L: RateLimiter, F: RateLimiter> FailMode<L, F> {
    /// Answers for `inner`; `local` counts for hits of mode `local`, whose limits `replicas` processes share.
    #[must_use]
    pub fn new(inner: L, local: Arc<F>, replicas: NonZeroU32, stats: Arc<DegradedStats>) -> Self {
        Self { inner, fallback: Arc::new(Fallback { local, replicas, stats }) }
    }
}

impl<F: RateLimiter> Fallback<F> {
    /// Replaces failures by what the hits' modes answer.
    async fn replace_failures(&self, group: &Group, verdicts: &mut Verdicts) {
        let mut local: SmallVec<[usize; 1]> = SmallVec::new();
        for (at, (hit, verdict)) in group.hits.iter().zip(verdicts.iter_mut()).enumerate() {
            if !fails(verdict) {
                continue;
            }
            match hit.on_store_failure {
                FailureMode::Error => continue,
                FailureMode::Allow => *verdict = Ok(allowed(hit)),
                FailureMode::Deny => *verdict = Ok(denied(hit)),
                FailureMode::Local => local.push(at),
            }
            self.stats.count(hit.on_store_failure);
        }
        if local.is_empty() {
            return;
        }
        let counted = self.local.check(self.local_group(group, &local, verdicts)).await;
        for (at, verdict) in local.into_iter().zip(counted) {
            verdicts[at] = verdict.map(|verdict| Verdict { source: Source::Degraded, ..verdict });
        }
    }

    /// The hits at these indices, as a group of their own with this process's share of the limits. It takes into account what
    /// the others decided: one that is over refuses an atomic group, of which only what is over itself is charged here.
    fn local_group(&self, group: &Group, indices: &[usize], verdicts: &Verdicts) -> Group {
        let (mut quota_passed, mut at) = (group.quota_passed, 0);
        let mut outcomes: SmallVec<[Outcome; 2]> = SmallVec::new();
        for run in group.hits.chunk_by(|one, next| one.descriptor == next.descriptor) {
            let Hit { shadow, quota, .. } = run[0];
            let (mut over, mut decided) = (false, true);
            for index in at..at + run.len() {
                match verdicts[index] {
                    Ok(verdict) if !indices.contains(&index) => over |= !verdict.allowed,
                    _ => decided = false,
                }
            }
            at += run.len();
            quota_passed |= quota && decided && (!over || shadow);
            // a descriptor that is not decided yet does not refuse
            outcomes.push(Outcome { over, shadow, quota });
        }
        let refused = group.refused || group.atomic && refuses(outcomes, group.quota_passed);
        let hits = indices.iter().map(|at| {
            let hit = group.hits[*at].clone();
            Hit { limit: hit.limit.share(self.replicas), ..hit }
        });
        Group { hits: hits.collect(), quota_passed, refused, deadline: None, ..*group }
    }
}

/// Whether the limiter has failed. One that was closed is not replaced: the process is ending.
fn fails(verdict: &Result<Verdict, StoreError>) -> bool {
    verdict.is_err_and(|error| error != StoreError::Closed)
}

/// As if nothing had been counted before.
fn allowed(hit: &Hit) -> Verdict {
    let (asked, burst) = (hit.charge.amount(), hit.limit.burst());
    let after = if let Charge::Take(n) = hit.charge { n.min(burst) } else { 0 };
    Verdict {
        allowed: true,
        remaining: burst - after,
        reset_after: hit.limit.window().duration(),
        retry_after: RetryAfter::Now,
        before: 0,
        after,
        asked,
        granted: asked,
        source: Source::Degraded,
    }
}

/// As if the counter were full. A refund always passes.
fn denied(hit: &Hit) -> Verdict {
    if let Charge::Give(_) = hit.charge {
        return allowed(hit);
    }
    let burst = hit.limit.burst();
    Verdict {
        allowed: false,
        remaining: 0,
        reset_after: DENIED_FOR,
        retry_after: RetryAfter::After(DENIED_FOR),
        before: burst,
        after: burst,
        asked: hit.charge.amount(),
        granted: 0,
        source: Source::Degraded,
    }
}

impl<L: RateLimiter, F: RateLimiter> RateLimiter for FailMode<L, F> {
    fn begin(&self, group: Arc<Group>) -> impl Future<Output = Verdicts> + Send + use<L, F> {
        let replaceable = group.hits.iter().any(|hit| hit.on_store_failure != FailureMode::Error);
        let fallback = replaceable.then(|| (Arc::clone(&self.fallback), Arc::clone(&group)));
        let outcome = self.inner.begin(group);
        async move {
            let mut verdicts = outcome.await;
            if let Some((fallback, group)) = fallback
                && verdicts.iter().any(fails)
            {
                // boxed: it is rare and large
                Box::pin(fallback.replace_failures(&group, &mut verdicts)).await;
            }
            verdicts
        }
    }

    /// An answer without waiting is no failure.
    fn try_check(&self, group: &Group) -> Option<Verdicts> {
        self.inner.try_check(group)
    }

    async fn reset(&self, key: &CounterKey) -> Result<bool, StoreError> {
        let existed = self.inner.reset(key).await?;
        Ok(self.fallback.local.reset(key).await? || existed)
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    /// Does not close the local store, which may be shared: its owner does.
    async fn close(&self) {
        self.inner.close().await;
    }
}
