//! One request in, one decision out: match its descriptors, charge their counters, decide.
//!
//! Depends on the rules and on the limiter interface; on no wire format, and on no store.

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

/// Decides requests. Each worker has its own, with its own limiter; clones are the same one.
#[derive(Clone, Debug)]
pub struct Engine {
    parts: Arc<Parts>,
}

/// What an engine consists of: one allocation for each worker, so that a pending call shares nothing with other
/// workers.
#[derive(Debug)]
struct Parts {
    live: ActiveRulesHandle,
    limiter: Arc<dyn DynRateLimiter>,
    keys: Arc<KeyBuilder>,
    options: Arc<Options>,
    decisions: Arc<DecisionStats>,
}

/// How the decision of a request stands after [`Engine::begin`].
#[derive(Debug)]
#[must_use = "a decision that is pending is abandoned when this is dropped"]
pub enum Begun {
    /// It is decided, or cannot be decided.
    Decided(Result<Decision, DecideError>),
    /// It waits for the limiter.
    Pending(Pending),
}

impl Engine {
    /// An engine over the rules of `live` and the counters of `limiter`. What it decides is counted in `decisions`.
    #[must_use]
    pub fn new(
        live: ActiveRulesHandle,
        limiter: Arc<dyn DynRateLimiter>,
        keys: Arc<KeyBuilder>,
        options: Arc<Options>,
        decisions: Arc<DecisionStats>,
    ) -> Self {
        Self { parts: Arc::new(Parts { live, limiter, keys, options, decisions }) }
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
    ///     let entries = [Entry::new("user", "7")].into_iter().collect();
    ///     let user = Descriptor { entries, limit: None, hits_addend: None, is_negative_hits: false };
    ///     let request = Request { domain: b"d", descriptors: [user].into_iter().collect(), hits_addend: 0 };
    ///     assert_eq!(engine.decide(&request, None).await?.code, expected);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn embedded(rules: RuleSet, limiter: Arc<dyn DynRateLimiter>) -> Self {
        let live = ActiveRulesHandle::default();
        live.store(Some(Arc::new(ActiveRules::new(rules, String::new(), &Stats::new(0), None))));
        Self::new(live, limiter, Arc::default(), Arc::new(Options::embedded()), Arc::default())
    }

    /// Begins to decide one request, without waiting. `deadline` is when its caller gives up. When this returns, the
    /// limiter has the hits, and the request is no longer needed.
    pub fn begin(&self, request: &Request<'_>, deadline: Option<Instant>) -> Begun {
        let parts = &self.parts;
        if let Err(error) = parts.options.check(request) {
            return Begun::Decided(Err(error));
        }
        let live = parts.live.load();
        let Some(rules) = live.as_ref() else {
            return Begun::Decided(without_rules::decide(request, &parts.options));
        };
        let Plan { group, applied } = match Plan::new(rules, request, &parts.keys, &parts.options, deadline) {
            Ok(plan) => plan,
            Err(error) => return Begun::Decided(Err(error)),
        };
        let verdicts = if group.hits.is_empty() { Some(Verdicts::new()) } else { parts.limiter.try_check(&group) };
        if let Some(verdicts) = verdicts {
            return Begun::Decided(parts.finish(rules, &applied, &verdicts));
        }
        Begun::Pending(Pending {
            verdicts: parts.limiter.begin(Arc::new(group)),
            applied,
            rules: Arc::clone(rules),
            parts: Arc::clone(parts),
        })
    }

    /// What a request may hold.
    #[must_use]
    pub fn limits(&self) -> &RequestLimits {
        &self.parts.options.limits
    }

    /// Decides one request. `deadline` is when its caller gives up.
    ///
    /// # Errors
    /// If the request is invalid, no rules were ever loaded, or the store failed and no descriptor refuses the request
    /// anyway.
    pub async fn decide(&self, request: &Request<'_>, deadline: Option<Instant>) -> Result<Decision, DecideError> {
        match self.begin(request, deadline) {
            Begun::Decided(decision) => decision,
            Begun::Pending(pending) => pending.await,
        }
    }
}

impl Parts {
    /// The decision that follows from the verdicts.
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

/// A decision that waits for the limiter's verdicts. It owns all that it needs: the rules that it was planned with,
/// what of them applies, and the check. Dropped, it abandons the check.
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
