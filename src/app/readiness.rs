//! When the process is healthy, and when it is ready: two lists of reasons why not, derived from events.
//!
//! Healthy has the reference's meaning, because Envoy Gateway restarts a process that is unhealthy: temporary problems
//! do not count, unless a setting asks for it. Ready means that this instance should get traffic that another instance
//! could get: one that has no rules, or has never reached its Redis, was deployed wrongly and must not replace one that
//! works.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::pages::{Health, State};

/// Derives the health state from events. Clones share the state.
#[derive(Clone, Debug)]
pub(super) struct Readiness {
    health: Health,
    facts: Arc<Mutex<Facts>>,
}

/// What the state is derived from.
#[derive(Debug)]
struct Facts {
    listening: bool,
    draining: bool,
    /// `HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED`.
    needs_domain: bool,
    /// The number of domains of the active rules; `None` before the first successful load.
    domains: Option<usize>,
    /// What is wrong with stores, by the setting of their address.
    stores: BTreeMap<&'static str, Arc<str>>,
    /// Why the store cannot charge groups all or none, if the rules need it.
    groups: Option<Arc<str>>,
}

impl Readiness {
    /// Neither healthy nor ready yet. With `needs_domain`, the process is unhealthy until rules have a domain.
    pub(super) fn new(needs_domain: bool) -> Self {
        let (stores, groups) = (BTreeMap::new(), None);
        let facts = Facts { listening: false, draining: false, needs_domain, domains: None, stores, groups };
        Self { health: Health::new(facts.state()), facts: Arc::new(Mutex::new(facts)) }
    }

    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    /// The gRPC port accepts calls.
    pub(super) fn listening(&self) {
        self.update(|facts| facts.listening = true);
    }

    /// Rules with this many domains are active.
    pub(super) fn rules_loaded(&self, domains: usize) {
        self.update(|facts| facts.domains = Some(domains));
    }

    /// What is wrong with the store whose address is in `setting`; `None`: nothing.
    #[cfg(any(feature = "redis", test))]
    pub(super) fn store(&self, setting: &'static str, fault: Option<Arc<str>>) {
        self.update(|facts| match fault {
            Some(fault) => drop(facts.stores.insert(setting, fault)),
            None => drop(facts.stores.remove(setting)),
        });
    }

    /// Why requests that must be charged all or none cannot be; `None`: they can.
    pub(super) fn groups(&self, fault: Option<Arc<str>>) {
        self.update(|facts| facts.groups = fault);
    }

    /// The process is about to end.
    pub(super) fn draining(&self) {
        self.update(|facts| facts.draining = true);
    }

    fn update(&self, change: impl FnOnce(&mut Facts)) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut facts);
        // under the lock, so that an older state cannot overwrite a newer one
        self.health.set(facts.state());
    }
}

impl Facts {
    fn state(&self) -> State {
        let mut unhealthy: Vec<Arc<str>> = Vec::new();
        if self.draining {
            unhealthy.push("shutting down".into());
        }
        if !self.listening {
            unhealthy.push("starting".into());
        }
        if self.needs_domain && self.domains.is_none_or(|domains| domains == 0) {
            unhealthy.push("no domain is loaded, and HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED asks for one".into());
        }
        unhealthy.extend(self.stores.values().cloned());
        let mut unready = unhealthy.clone();
        if self.domains.is_none() {
            unready.push("no rules have been loaded: every call is answered UNAVAILABLE; the log says why".into());
        }
        unready.extend(self.groups.clone());
        State { unhealthy, unready }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it is healthy, and whether ready.
    fn is(readiness: &Readiness) -> (bool, bool) {
        let state = readiness.health().state();
        (state.is_healthy(), state.unready.is_empty())
    }

    #[test]
    fn readiness_needs_rules_and_health_needs_a_domain_only_if_it_is_set() {
        let lenient = Readiness::new(false);
        assert_eq!(is(&lenient), (false, false), "it does not listen yet");
        lenient.listening();
        assert_eq!(is(&lenient), (true, false));
        lenient.rules_loaded(0);
        assert_eq!(is(&lenient), (true, true), "rules may have no domain");

        let strict = Readiness::new(true);
        strict.listening();
        strict.rules_loaded(0);
        assert_eq!(is(&strict), (false, false));
        strict.rules_loaded(1);
        assert_eq!(is(&strict), (true, true));
    }

    #[test]
    fn every_reason_is_listed_until_its_cause_is_gone() {
        let readiness = Readiness::new(false);
        readiness.listening();
        readiness.store("A", Some("a is unavailable".into()));
        readiness.store("B", Some("b is unavailable".into()));
        let state = readiness.health().state();
        assert_eq!(state.unhealthy, ["a is unavailable".into(), "b is unavailable".into()]);
        assert!(state.unready.starts_with(&state.unhealthy) && state.unready.len() == 3, "{state:?}");
        readiness.store("A", None);
        readiness.rules_loaded(1);
        assert_eq!(readiness.health().state().unready, ["b is unavailable".into()]);
        readiness.store("B", None);
        assert_eq!(is(&readiness), (true, true));
    }

    #[test]
    fn groups_that_cannot_be_counted_make_it_unready_and_not_unhealthy() {
        let readiness = Readiness::new(false);
        readiness.listening();
        readiness.rules_loaded(1);
        readiness.groups(Some("a rule asks for too much".into()));
        assert_eq!(is(&readiness), (true, false), "a restart would not help");
        assert_eq!(readiness.health().state().unready, ["a rule asks for too much".into()]);
        readiness.groups(None);
        assert_eq!(is(&readiness), (true, true));
    }

    #[test]
    fn draining_is_final() {
        let readiness = Readiness::new(false);
        readiness.draining();
        readiness.listening();
        readiness.rules_loaded(1);
        assert_eq!(readiness.health().state().unhealthy, ["shutting down".into()]);
        assert_eq!(is(&readiness), (false, false));
    }
}
