//! One request in, one decision out: match its descriptors, charge their counters, decide.
//!
//! Depends on the rules and on the limiter interface; on no wire format, and on no store.

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

pub use error::DecideError;
pub use options::{Modes, Options, RequestLimits};

use crate::{
    domain::{BoxFuture, Decision, DynRateLimiter, KeyBuilder, Request, Verdicts},
    rules::RuleSet,
};
use plan::{Applied, Plan};
use stats::{ErrorKind, InFlight, RequestMetrics, StatsTable};

/// The rules in force and their statistics, which change together.
#[derive(Debug)]
pub struct ActiveRules {
    /// The rules.
    pub rules: RuleSet,
    /// A row of counts for each of them.
    pub stats: Arc<StatsTable>,
    /// The hash of the content that they were compiled from.
    pub hash: String,
    /// When they were loaded.
    pub since: Instant,
}

/// The handle on the rules in force, shared by all engines of a process. Empty until the first successful load.
pub type ActiveRulesHandle = Arc<ArcSwapOption<ActiveRules>>;

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
    metrics: Arc<RequestMetrics>,
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
    /// An engine over the rules of `live` and the counters of `limiter`.
    #[must_use]
    pub fn new(
        live: ActiveRulesHandle,
        limiter: Arc<dyn DynRateLimiter>,
        keys: Arc<KeyBuilder>,
        options: Arc<Options>,
        metrics: Arc<RequestMetrics>,
    ) -> Self {
        Self { parts: Arc::new(Parts { live, limiter, keys, options, metrics }) }
    }

    /// Begins to decide one request, without waiting. `deadline` is when its caller gives up. When this returns, the
    /// limiter has the hits, and the request is no longer needed.
    pub fn begin(&self, request: &Request<'_>, deadline: Option<Instant>) -> Begun {
        let parts = &self.parts;
        let in_flight = parts.metrics.start(Instant::now());
        if let Err(error) = parts.options.check(request) {
            parts.failed(&error);
            return Begun::Decided(Err(error));
        }
        let live = parts.live.load();
        let Some(rules) = live.as_ref() else {
            let decision = without_rules::decide(request, &parts.options);
            return Begun::Decided(decision.inspect_err(|error| parts.failed(error)));
        };
        let plan = Plan::new(rules, request, &parts.keys, &parts.options, deadline);
        let Plan { group, applied } = match plan {
            Ok(plan) => plan,
            Err(error) => {
                parts.failed(&error);
                return Begun::Decided(Err(error));
            }
        };
        let verdicts = if group.hits.is_empty() { Some(Verdicts::new()) } else { parts.limiter.try_check(&group) };
        if let Some(verdicts) = verdicts {
            return Begun::Decided(parts.finish(rules, &applied, &verdicts));
        }
        Begun::Pending(Pending {
            verdicts: parts.limiter.begin(Arc::new(group)),
            applied,
            rules: Arc::clone(rules),
            in_flight: in_flight.waiting(Arc::clone(&parts.metrics)),
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

    /// Counts a call whose request could not be decoded.
    pub fn record_invalid_request(&self) {
        let _in_flight = self.parts.metrics.start(Instant::now());
        self.parts.metrics.failed(ErrorKind::Service);
    }
}

impl Parts {
    /// The decision that follows from the verdicts.
    fn finish(&self, rules: &ActiveRules, applied: &Applied, verdicts: &Verdicts) -> Result<Decision, DecideError> {
        let decision = conclude::conclude(rules, applied, verdicts, &self.options, &self.metrics);
        match (&decision, applied.domain) {
            (Ok(decision), Some(domain)) if decision.over_limit() => {
                tracing::debug!(domain = &**rules.rules.domain_at(domain).name(), "over limit");
            }
            (Ok(_), _) => {}
            (Err(error), _) => self.failed(error),
        }
        decision
    }

    /// Counts a request that could not be decided.
    fn failed(&self, error: &DecideError) {
        self.metrics.failed(match error {
            DecideError::Store(_) => ErrorKind::Store,
            _ => ErrorKind::Service,
        });
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
    /// Ends the call in the metrics when this is dropped.
    #[expect(dead_code, reason = "it is held, not used")]
    in_flight: InFlight<Arc<RequestMetrics>>,
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
