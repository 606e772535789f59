//! One request in, one decision out: match its descriptors, charge their counters, decide.
//!
//! Knows rules and the limiter interface; knows no wire format, and no store.

mod conclude;
mod error;
mod options;
mod plan;
pub mod stats;
mod without_rules;

use std::{sync::Arc, time::Instant};

use arc_swap::ArcSwapOption;

pub use error::DecideError;
pub use options::{Modes, Options, RequestLimits};

use crate::{
    domain::{Decision, DynRateLimiter, KeyBuilder, Request, Verdicts},
    rules::RuleSet,
};
use plan::Plan;
use stats::{ErrorKind, RequestMetrics, StatsTable};

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

/// Decides requests. Cheap to make: each worker has its own, with its own limiter.
#[derive(Clone, Debug)]
pub struct Engine {
    live: LiveHandle,
    limiter: Arc<dyn DynRateLimiter>,
    keys: Arc<KeyBuilder>,
    options: Arc<Options>,
    metrics: Arc<RequestMetrics>,
}

impl Engine {
    /// An engine over the rules of `live` and the counters of `limiter`.
    #[must_use]
    pub fn new(
        live: LiveHandle,
        limiter: Arc<dyn DynRateLimiter>,
        keys: Arc<KeyBuilder>,
        options: Arc<Options>,
        metrics: Arc<RequestMetrics>,
    ) -> Self {
        Self { live, limiter, keys, options, metrics }
    }

    /// Decides one request. `deadline` is when its caller gives up.
    ///
    /// # Errors
    /// If the request is not one that can be answered, no rules were ever loaded, or the store failed and no
    /// descriptor refuses the request anyway.
    pub async fn decide(&self, request: &Request<'_>, deadline: Option<Instant>) -> Result<Decision, DecideError> {
        let _in_flight = self.metrics.start(Instant::now());
        let decision = self.try_decide(request, deadline).await;
        match &decision {
            Ok(decision) if decision.over_limit() => tracing::debug!(domain = request.domain, "over limit"),
            Ok(_) => {}
            Err(DecideError::Store(_)) => self.metrics.failed(ErrorKind::Store),
            Err(_) => self.metrics.failed(ErrorKind::Service),
        }
        decision
    }

    /// Counts a call whose request could not even be put as a question.
    pub fn unreadable(&self) {
        let _in_flight = self.metrics.start(Instant::now());
        self.metrics.failed(ErrorKind::Service);
    }

    async fn try_decide(&self, request: &Request<'_>, deadline: Option<Instant>) -> Result<Decision, DecideError> {
        self.options.limits.check(request)?;
        let Some(live) = self.live.load_full() else { return without_rules::decide(request, &self.options) };
        let plan = Plan::new(&live, request, &self.keys, &self.options, deadline);
        let verdicts = if plan.group.hits.is_empty() {
            Verdicts::new()
        } else if let Some(verdicts) = self.limiter.check_at_once(&plan.group) {
            verdicts
        } else {
            self.limiter.check(plan.group).await
        };
        conclude::conclude(&plan.descriptors, &verdicts, &self.options, &self.metrics)
    }
}

#[cfg(test)]
mod tests;
