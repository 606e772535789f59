//! The health of the process, which the pages show and gRPC health follows. The `app` module derives and sets it.

use std::sync::Arc;

use tokio::sync::watch;

/// The state of the process: two lists of reasons. An empty list means healthy, or ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Why the process is not healthy: for `/healthcheck` and gRPC health.
    pub unhealthy: Vec<Arc<str>>,
    /// Why the process is not ready: for `/readyz`.
    pub unready: Vec<Arc<str>>,
}

impl State {
    /// Whether there is no reason against being healthy.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.unhealthy.is_empty()
    }
}

/// A handle on the current [`State`]. Clones share the state.
#[derive(Clone, Debug)]
pub struct Health(watch::Sender<State>);

impl Health {
    /// A handle on a new state.
    #[must_use]
    pub fn new(state: State) -> Self {
        Self(watch::Sender::new(state))
    }

    /// A copy of the current state.
    #[must_use]
    pub fn state(&self) -> State {
        self.0.borrow().clone()
    }

    /// Replaces the state. Returns whether it has changed; only then are receivers of [`Health::follow`] notified.
    pub fn set(&self, state: State) -> bool {
        self.0.send_if_modified(|current| {
            let is_changed = *current != state;
            *current = state;
            is_changed
        })
    }

    /// A receiver of the state and its changes: for gRPC health.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn followers_see_a_change_once() {
        let health = Health::new(State { unhealthy: vec!["starting".into()], unready: Vec::new() });
        let mut follower = health.follow();
        assert!(health.set(State::default()));
        assert!(follower.has_changed().expect("the sender lives"));
        assert!(follower.borrow_and_update().is_healthy());
        assert!(!health.set(State::default()));
        assert!(!follower.has_changed().expect("the sender lives"));
    }
}
