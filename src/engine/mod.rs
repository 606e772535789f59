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

use arc_swap::ArcSwapOption;

pub use active::ActiveRulesMetrics;
pub use error::DecideError;
use limiter::domain::{BoxFuture, Decision, DynRateLimiter, KeyBuilder, Request, Verdicts};
pub use options::{Modes, Options, RequestLimits};
use plan::{Applied, Plan};
use rules::RuleSet;
use stats::{DecisionStats, StatsTable};

/// The active rules and their statistics, which are replaced together.
#[derive(Debug)]
pub struct ActiveRules {
    /// The compiled rules.
    pub rules: RuleSet,
    /// The statistics of each rule.
    pub stats: Arc<StatsTable>,
    /// The hash of the content that the rules were compiled from.
    pub hash: String,
    /// When the rules were loaded.
    pub since: Instant,
}

/// A handle on the active rules, shared by all engines of a process. Empty until the first successful load.
pub type ActiveRulesHandle = Arc<ArcSwapOption<ActiveRules>>;

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
pub enum Begun {
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

    /// Begins to decide a request, without waiting. `deadline`: when the caller gives up. When this returns, the
    /// limiter has the hits, and the request is no longer needed.
    pub fn begin(&self, request: &Request<'_>, deadline: Option<Instant>) -> Begun {
        let parts = &self.parts;
        if let Err(error) = parts.options.check(request) {
            return Begun::Decided(Err(error));
        }
        let active = parts.active.load();
        let Some(rules) = active.as_ref() else {
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
            Begun::Decided(decision) => decision,
            Begun::Pending(pending) => pending.await,
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
