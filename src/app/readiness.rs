//! When the process calls itself healthy, and when ready: all that is known of it, as two lists of reasons.
//!
//! Healthy is what the reference means by it, for Envoy Gateway lets it decide whether the process lives: nothing that
//! comes and goes counts, unless a setting asks for it. Ready is whether this instance should get traffic that another
//! one could have: one that has no rules, or never had its Redis, was deployed wrongly and must not take the place of
//! one that works.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::pages::{Health, State};

/// Turns what has happened so far into one health state. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Readiness {
    health: Health,
    facts: Arc<Mutex<Facts>>,
}

#[derive(Debug)]
struct Facts {
    listening: bool,
    draining: bool,
    /// HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED.
    needs_domain: bool,
    /// How many the rules in force have; `None`: there never were rules.
    domains: Option<usize>,
    /// What is wrong with stores, by the setting that says where they are.
    stores: BTreeMap<&'static str, Arc<str>>,
    /// Why some requests cannot be counted as the rules have it.
    groups: Option<Arc<str>>,
}

impl Readiness {
    /// Not ready yet. With `needs_domain` it also waits for rules that have one, to be healthy.
    pub(super) fn new(needs_domain: bool) -> Self {
        let (stores, groups) = (BTreeMap::new(), None);
        let facts = Facts { listening: false, draining: false, needs_domain, domains: None, stores, groups };
        Self { health: Health::new(facts.state()), facts: Arc::new(Mutex::new(facts)) }
    }

    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    /// The gRPC port takes calls.
    pub(super) fn listening(&self) {
        self.learn(|facts| facts.listening = true);
    }

    /// Rules with this many domains are in force.
    pub(super) fn rules_loaded(&self, domains: usize) {
        self.learn(|facts| facts.domains = Some(domains));
    }

    /// What is wrong with the store that this setting names, if anything.
    #[cfg(any(feature = "redis", test))]
    pub(super) fn store(&self, setting: &'static str, fault: Option<Arc<str>>) {
        self.learn(|facts| match fault {
            Some(fault) => drop(facts.stores.insert(setting, fault)),
            None => drop(facts.stores.remove(setting)),
        });
    }

    /// Why requests that are to be charged all or none cannot be, if they cannot.
    pub(super) fn groups(&self, fault: Option<Arc<str>>) {
        self.learn(|facts| facts.groups = fault);
    }

    /// The process is about to end.
    pub(super) fn draining(&self) {
        self.learn(|facts| facts.draining = true);
    }

    fn learn(&self, learn: impl FnOnce(&mut Facts)) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        learn(&mut facts);
        // under the lock, so that what was true last stands
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
    fn to_be_ready_it_needs_rules_and_to_be_healthy_a_domain_only_where_asked_for() {
        let lenient = Readiness::new(false);
        assert_eq!(is(&lenient), (false, false), "it does not listen");
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
    fn every_reason_is_given_and_each_goes_by_itself() {
        let readiness = Readiness::new(false);
        readiness.listening();
        readiness.store("A", Some("a is away".into()));
        readiness.store("B", Some("b is away".into()));
        let state = readiness.health().state();
        assert_eq!(state.unhealthy, ["a is away".into(), "b is away".into()]);
        assert!(state.unready.starts_with(&state.unhealthy) && state.unready.len() == 3, "{state:?}");
        readiness.store("A", None);
        readiness.rules_loaded(1);
        assert_eq!(readiness.health().state().unready, ["b is away".into()]);
        readiness.store("B", None);
        assert_eq!(is(&readiness), (true, true));
    }

    #[test]
    fn groups_that_cannot_be_counted_make_it_unready_and_not_unhealthy() {
        let readiness = Readiness::new(false);
        readiness.listening();
        readiness.rules_loaded(1);
        readiness.groups(Some("a rule asks for too much".into()));
        assert_eq!(is(&readiness), (true, false), "no restart would cure that");
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
