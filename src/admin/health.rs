//! The health of the process: one state, which the pages show and gRPC health follows.

use std::sync::Arc;

use tokio::sync::watch;

/// How the process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not ready yet, and why.
    Starting(Arc<str>),
    /// Answers calls.
    Serving,
    /// Not fit to answer, and why.
    Unhealthy(Arc<str>),
    /// Shutting down. Final.
    Draining,
}

impl State {
    /// Whether calls are answered.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        *self == Self::Serving
    }

    /// Why it is not serving.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Serving => None,
            Self::Starting(reason) | Self::Unhealthy(reason) => Some(reason),
            Self::Draining => Some("shutting down"),
        }
    }
}

/// The present [`State`]. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Health(watch::Sender<State>);

impl Health {
    /// Starting, waiting for `reason`.
    #[must_use]
    pub fn starting(reason: &str) -> Self {
        Self(watch::Sender::new(State::Starting(reason.into())))
    }

    /// The present state.
    #[must_use]
    pub fn state(&self) -> State {
        self.0.borrow().clone()
    }

    /// Changes the state; nothing leaves [`State::Draining`]. Whether it changed.
    pub fn set(&self, state: State) -> bool {
        self.0.send_if_modified(|present| {
            let changes = *present != State::Draining && *present != state;
            if changes {
                *present = state;
            }
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
    fn draining_is_final() {
        let health = Health::starting("no rules yet");
        assert!(health.set(State::Serving));
        assert!(!health.set(State::Serving));
        assert!(health.set(State::Draining));
        assert!(!health.set(State::Serving));
        assert_eq!(health.state().reason(), Some("shutting down"));
    }

    #[test]
    fn followers_see_a_change_once() {
        let health = Health::starting("no rules yet");
        let mut follower = health.follow();
        health.set(State::Serving);
        assert!(follower.has_changed().expect("the sender lives"));
        assert_eq!(*follower.borrow_and_update(), State::Serving);
        health.set(State::Serving);
        assert!(!follower.has_changed().expect("the sender lives"));
    }
}
