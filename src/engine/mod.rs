//! Decides requests: matches their descriptors, charges the counters, and derives the decision.
//!
//! Depends on the rules and on the limiter's interface, but on no wire format and no store.

mod active;
mod conclude;
mod error;
mod late_costs;
mod options;
mod plan;
pub mod stats;
mod unknown_domain;
mod without_rules;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

pub use active::{ActiveRules, ActiveRulesHandle, ActiveRulesMetrics};
pub use error::DecideError;
use limiter::domain::{BoxFuture, Decision, DynRateLimiter, KeyBuilder, Request, Verdicts};
pub use options::{Modes, Options, RequestLimits};
use plan::{Applied, Plan};
use rules::RuleSet;
use stats::{DecisionStats, Stats};

/// Decides requests. Each worker has its own engine, with its own limiter; clones share it.
#[derive(Clone, Debug)]
pub struct Engine {
    parts: Arc<Parts>,
}

/// The content of an engine, in one allocation for each worker, so that a pending call shares no reference count with
/// other workers.
#[derive(Debug)]
struct Parts {
    active: ActiveRulesHandle,
    limiter: Arc<dyn DynRateLimiter>,
    keys: Arc<KeyBuilder>,
    options: Arc<Options>,
    decisions: Arc<DecisionStats>,
}

/// The result of [`Engine::begin`].
#[derive(Debug)]
#[must_use = "a pending decision is abandoned when this is dropped"]
pub enum MaybePending {
    /// The request is decided, or cannot be decided.
    Decided(Result<Decision, DecideError>),
    /// The decision waits for the limiter.
    Pending(Pending),
}

impl Engine {
    /// An engine that decides with the rules of `active` and the counters of `limiter`, and counts its decisions in
    /// `decisions`.
    #[must_use]
    pub fn new(
        active: ActiveRulesHandle,
        limiter: Arc<dyn DynRateLimiter>,
        keys: Arc<KeyBuilder>,
        options: Arc<Options>,
        decisions: Arc<DecisionStats>,
    ) -> Self {
        Self { parts: Arc::new(Parts { active, limiter, keys, options, decisions }) }
    }

    /// An engine inside the program that asks it: its rules do not change, its options are [`Options::embedded`], and
    /// nothing exports its statistics.
    ///
    /// ```
    /// use std::{num::NonZeroUsize, sync::Arc};
    ///
    /// use limiter::{
    ///     domain::{Capabilities, Code, Descriptor, Entry, Request, SystemClock},
    ///     memory::{MemoryConfig, MemoryStore},
    /// };
    /// use rules::{CompileOptions, RuleFile};
    /// use tollgate::engine::Engine;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let text = "{domain: d, descriptors: [{key: user, rate_limit: {unit: day, requests_per_unit: 2}}]}";
    /// let file = RuleFile::new("rules.yaml", text);
    /// let rules = rules::compile(&[file], &CompileOptions::new(Capabilities::ALL))?.rules;
    /// let most = NonZeroUsize::new(100_000).expect("not zero");
    /// let store = MemoryStore::new(MemoryConfig { max_counters: most }, Arc::new(SystemClock));
    /// let engine = Engine::embedded(rules, Arc::new(store));
    ///
    /// for expected in [Code::Ok, Code::Ok, Code::OverLimit] {
    ///     let request = Request::new("d", [Descriptor::new([Entry::new("user", "7")])]);
    ///     assert_eq!(engine.decide(&request, None).await?.code, expected);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn embedded(rules: RuleSet, limiter: Arc<dyn DynRateLimiter>) -> Self {
        let active = ActiveRulesHandle::default();
        active.store(Some(Arc::new(ActiveRules::new(rules, String::new(), &Stats::new(0), None))));
        Self::new(active, limiter, Arc::default(), Arc::new(Options::embedded()), Arc::default())
    }

    /// Begins to decide a request, without waiting. `deadline`: when the caller gives up. When this returns, the
    /// limiter has the hits, and the request is no longer needed.
    pub fn begin(&self, request: &Request<'_>, deadline: Option<Instant>) -> MaybePending {
        let parts = &self.parts;
        if let Err(error) = parts.options.check(request) {
            return MaybePending::Decided(Err(error));
        }
        let active = parts.active.load();
        let Some(rules) = active.as_ref() else {
            return MaybePending::Decided(without_rules::decide(request, &parts.options));
        };
        let Plan { group, applied } = match Plan::new(rules, request, &parts.keys, &parts.options, deadline) {
            Ok(plan) => plan,
            Err(error) => return MaybePending::Decided(Err(error)),
        };
        let verdicts = if group.hits.is_empty() { Some(Verdicts::new()) } else { parts.limiter.try_check(&group) };
        if let Some(verdicts) = verdicts {
            return MaybePending::Decided(parts.finish(rules, &applied, &verdicts));
        }
        MaybePending::Pending(Pending {
            verdicts: parts.limiter.begin(Arc::new(group)),
            applied,
            rules: Arc::clone(rules),
            parts: Arc::clone(parts),
        })
    }

    /// The limits on the size of a request.
    #[must_use]
    pub fn limits(&self) -> &RequestLimits {
        &self.parts.options.limits
    }

    /// Decides a request. `deadline`: when the caller gives up.
    ///
    /// # Errors
    /// If the request is invalid, no rules were ever loaded, or the store failed and no other descriptor denies the
    /// request.
    pub async fn decide(&self, request: &Request<'_>, deadline: Option<Instant>) -> Result<Decision, DecideError> {
        match self.begin(request, deadline) {
            MaybePending::Decided(decision) => decision,
            MaybePending::Pending(pending) => pending.await,
        }
    }
}

impl Parts {
    /// Derives the decision from the verdicts.
    fn finish(&self, rules: &ActiveRules, applied: &Applied, verdicts: &Verdicts) -> Result<Decision, DecideError> {
        let decision = conclude::conclude(rules, applied, verdicts, &self.options, &self.decisions);
        if let (Ok(decision), Some(domain)) = (&decision, applied.domain)
            && decision.over_limit()
        {
            tracing::debug!(domain = &**rules.rules.domain_at(domain).name(), "over limit");
        }
        decision
    }
}

/// A decision that waits for the limiter's verdicts. It owns everything it needs: the rules that it was planned with,
/// which of them apply, and the check. Dropping it abandons the check.
#[must_use = "the decision is abandoned when this is dropped"]
pub struct Pending {
    verdicts: BoxFuture<'static, Verdicts>,
    applied: Applied,
    rules: Arc<ActiveRules>,
    parts: Arc<Parts>,
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("applied", &self.applied).finish_non_exhaustive()
    }
}

impl Future for Pending {
    type Output = Result<Decision, DecideError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let verdicts = ready!(self.verdicts.as_mut().poll(cx));
        Poll::Ready(self.parts.finish(&self.rules, &self.applied, &verdicts))
    }
}

#[cfg(test)]
mod tests;
