//! The health of the process: what the pages show and gRPC health follows. Who decides it is not here.

use std::sync::Arc;

use tokio::sync::watch;

/// How the process is: two lists of reasons, each empty where all is well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Why it is not healthy: `/healthcheck` and gRPC health.
    pub unhealthy: Vec<Arc<str>>,
    /// Why it is not ready: `/readyz`.
    pub unready: Vec<Arc<str>>,
}

impl State {
    /// Whether it is healthy.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.unhealthy.is_empty()
    }
}

/// The present [`State`]. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Health(watch::Sender<State>);

impl Health {
    /// In this state.
    #[must_use]
    pub fn new(state: State) -> Self {
        Self(watch::Sender::new(state))
    }

    /// The present state.
    #[must_use]
    pub fn state(&self) -> State {
        self.0.borrow().clone()
    }

    /// Changes the state. Whether it changed.
    pub fn set(&self, state: State) -> bool {
        self.0.send_if_modified(|present| {
            let changes = *present != state;
            *present = state;
            changes
        })
    }

    /// Follows the state: for gRPC health.
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
