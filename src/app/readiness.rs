//! When the process calls itself healthy.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use crate::admin::{Health, State};

/// Turns what has happened so far into one health state. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Readiness {
    health: Health,
    needs_domain: bool,
    listening: Arc<AtomicBool>,
    has_domain: Arc<AtomicBool>,
}

impl Readiness {
    /// Not ready yet. With `needs_domain` it also waits for rules that have one
    /// (HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED).
    pub(super) fn new(needs_domain: bool) -> Self {
        let health = Health::starting("starting");
        Self { health, needs_domain, listening: Arc::default(), has_domain: Arc::default() }
    }

    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    /// The gRPC port takes calls.
    pub(super) fn listening(&self) {
        self.listening.store(true, Relaxed);
        self.update();
    }

    /// Rules with this many domains are in force.
    pub(super) fn rules_loaded(&self, domains: usize) {
        self.has_domain.store(domains > 0, Relaxed);
        self.update();
    }

    /// The process is about to end.
    pub(super) fn draining(&self) {
        self.health.set(State::Draining);
    }

    fn update(&self) {
        let state = if !self.listening.load(Relaxed) {
            State::Starting("starting".into())
        } else if self.needs_domain && !self.has_domain.load(Relaxed) {
            State::Unhealthy("no domain is loaded, and HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED asks for one".into())
        } else {
            State::Serving
        };
        self.health.set(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_needed_only_where_asked_for() {
        let ready = Readiness::new(false);
        assert!(ready.health().state().reason().is_some());
        ready.listening();
        assert_eq!(ready.health().state(), State::Serving);

        let ready = Readiness::new(true);
        ready.listening();
        assert!(ready.health().state().reason().expect("not serving").contains("no domain"));
        ready.rules_loaded(1);
        assert_eq!(ready.health().state(), State::Serving);
        ready.rules_loaded(0);
        assert!(ready.health().state().reason().is_some());
        ready.draining();
        assert_eq!(ready.health().state(), State::Draining);
    }
}
