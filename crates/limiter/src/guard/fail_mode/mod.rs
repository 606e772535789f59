//! Replaces the failures of a limiter by the answers of each hit's failure mode.
//!
//! `error` passes the failure on. `allow` and `deny` answer without counting. `local` counts in a store of this
//! process, with one process's share of the limit; these counts stay there until they expire and are not transferred
//! when the limiter answers again. Each hit is treated on its own here; the engine combines the outcomes of several
//! descriptors as usual.

mod stats;
#[cfg(test)]
mod tests;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use smallvec::SmallVec;

pub use self::stats::DegradedStats;
use crate::domain::{
    Capabilities, Charge, CounterKey, FailureMode, Group, Hit, Limit, Outcome, RateLimiter, RetryAfter, Source,
    StoreError, Verdict, Verdicts, refuses,
};

/// The retry-after of a denial: the limiter may recover before the limit's window ends.
const DENIED_FOR: Duration = Duration::from_secs(1);

/// A limiter whose failures are answered by the failure modes of the hits.
#[derive(Debug)]
pub struct FailMode<L, F> {
    inner: L,
    fallback: Arc<Fallback<F>>,
}

/// What is needed to answer in place of the limiter.
#[derive(Debug)]
struct Fallback<F> {
    local: Arc<F>,
    replicas: NonZeroU32,
    stats: Arc<DegradedStats>,
}

impl<L: RateLimiter, F: RateLimiter> FailMode<L, F> {
    /// A decorator of `inner`. Hits with mode `local` are counted in `local`, with their limits divided by `replicas`.
    #[must_use]
    pub fn new(inner: L, local: Arc<F>, replicas: NonZeroU32, stats: Arc<DegradedStats>) -> Self {
        Self { inner, fallback: Arc::new(Fallback { local, replicas, stats }) }
    }
}

impl<F: RateLimiter> Fallback<F> {
    /// Replaces failures by the answers of the hits' modes.
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

    /// The hits at `indices` as a group of their own, with their limits divided by `replicas`. It includes what was
    /// decided on the other hits: if one of them is over, the rest of an atomic group is denied, and only local hits
    /// that are over themselves are charged.
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
            // a descriptor without all of its verdicts does not deny yet
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

/// Whether the limiter has failed. `Closed` is not replaced: the process is shutting down.
fn fails(verdict: &Result<Verdict, StoreError>) -> bool {
    verdict.is_err_and(|error| error != StoreError::Closed)
}

/// The verdict of a counter that was never charged before.
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

/// The verdict of a counter that is full. A refund is always allowed.
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
                // boxed, because it is rare and its future is large
                Box::pin(fallback.replace_failures(&group, &mut verdicts)).await;
            }
            verdicts
        }
    }

    /// A non-blocking answer is never a failure.
    fn try_check(&self, group: &Group) -> Option<Verdicts> {
        self.inner.try_check(group)
    }

    async fn reset(&self, key: &CounterKey, limit: &Limit) -> Result<bool, StoreError> {
        let existed = self.inner.reset(key, limit).await?;
        Ok(self.fallback.local.reset(key, limit).await? || existed)
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    /// Leaves the local store open, which may be shared: its owner closes it.
    async fn close(&self) {
        self.inner.close().await;
    }
}
