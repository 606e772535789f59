//! One request in, one decision out: match its descriptors, charge their counters, decide.
//!
//! Knows rules and the limiter interface; knows no wire format, and no store.

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

pub use active::ActiveRules;
pub use error::DecideError;
pub use options::{Modes, Options, RequestLimits};

use crate::{
    domain::{BoxFuture, Decision, DynRateLimiter, KeyBuilder, Request, Verdicts},
    rules::RuleSet,
};
use plan::{Applied, Plan};
use stats::{DecisionStats, StatsTable};

/// The rules in force and their statistics, which change together.
#[derive(Debug)]
pub struct Live {
    /// The rules.
    pub rules: RuleSet,
    /// A row of counts for each of them.
    pub stats: Arc<StatsTable>,
    /// Of the files they came from.
    pub hash: String,
    /// When they were loaded.
    pub since: Instant,
}

/// The handle on what is in force; shared by all engines of a process. Empty until the first good load.
pub type LiveHandle = Arc<ArcSwapOption<Live>>;

/// Decides requests. Each worker has its own, with its own limiter; clones are the same one.
#[derive(Clone, Debug)]
pub struct Engine {
    parts: Arc<Parts>,
}

/// What an engine is made of: in one allocation of its worker, so that a call that waits shares nothing with other workers.
#[derive(Debug)]
struct Parts {
    live: LiveHandle,
    limiter: Arc<dyn DynRateLimiter>,
    keys: Arc<KeyBuilder>,
    options: Arc<Options>,
    decisions: Arc<DecisionStats>,
}

/// What became of a request at once.
#[derive(Debug)]
#[must_use = "a decision that is pending is abandoned when this is dropped"]
pub enum Begun {
    /// It is decided, or cannot be.
    Decided(Result<Decision, DecideError>),
    /// The limiter has to be waited for.
    Pending(Pending),
}

impl Engine {
    /// An engine over the rules of `live` and the counters of `limiter`. What it decides is counted in `decisions`.
    #[must_use]
    pub fn new(
        live: LiveHandle,
        limiter: Arc<dyn DynRateLimiter>,
        keys: Arc<KeyBuilder>,
        options: Arc<Options>,
        decisions: Arc<DecisionStats>,
    ) -> Self {
        Self { parts: Arc::new(Parts { live, limiter, keys, options, decisions }) }
    }

    /// Begins to decide one request, without waiting. `deadline` is when its caller gives up. The hits are with the limiter when
    /// this returns, and nothing of the request is needed any more.
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
    /// If the request is not one that can be answered, no rules were ever loaded, or the store failed and no
    /// descriptor refuses the request anyway.
    pub async fn decide(&self, request: &Request<'_>, deadline: Option<Instant>) -> Result<Decision, DecideError> {
        match self.begin(request, deadline) {
            Begun::Decided(decision) => decision,
            Begun::Pending(pending) => pending.await,
        }
    }
}

impl Parts {
    /// The decision that verdicts make.
    fn finish(&self, rules: &Live, applied: &Applied, verdicts: &Verdicts) -> Result<Decision, DecideError> {
        let decision = conclude::conclude(rules, applied, verdicts, &self.options, &self.decisions);
        if let (Ok(decision), Some(domain)) = (&decision, applied.domain)
            && decision.over_limit()
        {
            tracing::debug!(domain = &**rules.rules.domain_at(domain).name(), "over limit");
        }
        decision
    }
}

/// A decision that waits for the limiter's verdicts. It owns all that it needs: the rules that it was planned with, what applies of
/// them, and the check. Dropped, the check is abandoned.
#[must_use = "the decision is abandoned when this is dropped"]
pub struct Pending {
    verdicts: BoxFuture<'static, Verdicts>,
    applied: Applied,
    rules: Arc<Live>,
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
