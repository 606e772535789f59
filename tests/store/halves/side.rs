//! An engine with a limiter of the test, and all of its statistics.

use std::{
    collections::{BTreeMap, HashSet},
    future::Future as _,
    num::NonZeroUsize,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use limiter::domain::{Capabilities, Decision, DynRateLimiter, Group, KeyBuilder, Request};
use rules::{CompileOptions, RuleFile};
use tollgate::engine::{
    ActiveRules, ActiveRulesHandle, DecideError, Engine, Options, RequestLimits,
    stats::{DecisionStats, DecisionTotals, Figure, Stats},
};

use super::world::{MAX_DESCRIPTORS, MAX_ENTRIES, World};

/// More than a run has, so that the statistics do not depend on the order of requests.
const MAX_SERIES: usize = 100_000;

/// The result of a request.
pub type Outcome = Result<Decision, DecideError>;

pub struct Side {
    pub engine: Engine,
    live: ActiveRulesHandle,
    decisions: Arc<DecisionStats>,
    stats: Arc<Stats>,
    /// All rules loaded so far.
    loaded: Vec<Arc<ActiveRules>>,
}

/// The statistics.
#[derive(Debug, PartialEq, Eq)]
pub struct Statistics {
    rows: BTreeMap<String, [u64; Figure::ALL.len()]>,
    unknown_domains: Vec<(String, u64)>,
    decisions: DecisionTotals,
}

impl Side {
    /// An engine with the first version of the rules, and keys that begin with `prefix`.
    pub fn new(limiter: Arc<dyn DynRateLimiter>, world: &World, prefix: &str) -> Self {
        let limit = |max| NonZeroUsize::new(max).expect("not zero");
        let options = Options {
            modes: world.modes,
            limits: RequestLimits { max_descriptors: limit(MAX_DESCRIPTORS), max_entries: limit(MAX_ENTRIES) },
            ..Options::embedded()
        };
        let (live, decisions) = (ActiveRulesHandle::default(), Arc::<DecisionStats>::default());
        let keys = KeyBuilder::new(prefix);
        let keys = if world.hashing { keys.hashing_values("secret") } else { keys };
        let engine = Engine::new(live.clone(), limiter, Arc::new(keys), Arc::new(options), decisions.clone());
        let mut side = Self { engine, live, decisions, stats: Stats::new(MAX_SERIES), loaded: Vec::new() };
        side.load(&world.rules[0]);
        side
    }

    /// Replaces the rules, as a reload does.
    pub fn load(&mut self, files: &[String]) {
        let files: Vec<_> = (0..).zip(files).map(|(at, text)| RuleFile::new(format!("{at}.yaml"), &**text)).collect();
        let rules = match rules::compile(&files, &CompileOptions::new(Capabilities::ALL)) {
            Ok(compiled) => compiled.rules,
            Err(errors) => panic!("{errors}\n{files:?}"),
        };
        let previous = self.loaded.last().map(|live| &**live);
        let live = Arc::new(ActiveRules::new(rules, String::new(), &self.stats, previous));
        self.live.store(Some(Arc::clone(&live)));
        self.loaded.push(live);
    }

    /// The decision of a side that never waits.
    pub fn decided(&self, request: &Request<'_>) -> Outcome {
        match pin!(self.engine.decide(request, None)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => panic!("this side waits for something"),
        }
    }

    /// All that was counted.
    pub fn statistics(&self) -> Statistics {
        let mut rows = BTreeMap::new();
        let mut seen = HashSet::new();
        for series in self.loaded.iter().flat_map(|live| live.stats.series()) {
            if seen.insert(Arc::as_ptr(&series)) {
                let row: &mut [u64; Figure::ALL.len()] = rows.entry(format!("{:?}", series.labels())).or_default();
                row.iter_mut().zip(Figure::ALL).for_each(|(sum, figure)| *sum += series.get(figure));
            }
        }
        let unknown = self.stats.domains_not_found();
        let mut unknown_domains: Vec<_> = unknown.into_iter().map(|(name, count)| (name.to_string(), count)).collect();
        unknown_domains.sort_unstable();
        let mut decisions = DecisionTotals::default();
        decisions.add(&self.decisions);
        Statistics { rows, unknown_domains, decisions }
    }
}

/// Whether two groups charge a common counter.
pub fn share_a_counter(one: &Group, other: &Group) -> bool {
    one.hits.iter().any(|hit| other.hits.iter().any(|of_other| of_other.key == hit.key))
}
