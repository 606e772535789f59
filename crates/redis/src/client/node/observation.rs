//! The breaker's observation of one call.

use std::{fmt, sync::Arc};

use super::Node;
use crate::breaker::{self, Admitted};

/// A call that the breaker admitted. When this is dropped, the breaker observes the outcome that was set.
pub(crate) struct Observation {
    node: Arc<Node>,
    call: Admitted,
    outcome: Outcome,
}

enum Outcome {
    Answered,
    Refused(Box<str>),
    Silent,
    /// The call says nothing about the address, and is not observed.
    Nothing,
}

impl Observation {
    /// Begins without an outcome: if the caller leaves before one is set, nothing is observed.
    pub(super) fn new(node: &Arc<Node>, call: Admitted) -> Self {
        Self { node: Arc::clone(node), call, outcome: Outcome::Nothing }
    }

    /// Redis replied.
    pub(super) fn answered(&mut self) {
        self.outcome = Outcome::Answered;
    }

    /// Redis refused with this error, and will refuse the next calls too.
    pub(crate) fn refused(&mut self, text: &str) {
        self.outcome = Outcome::Refused(text.into());
    }

    /// Redis did not reply in time, or could not be reached.
    pub(super) fn silent(&mut self) {
        self.outcome = Outcome::Silent;
    }

    /// Whether this error will recur until an operator corrects the setup.
    pub(crate) fn is_sticky(&self, text: &str) -> bool {
        self.node.is_sticky(text)
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let outcome = match &self.outcome {
            Outcome::Answered => breaker::Outcome::Answered,
            Outcome::Refused(text) => return self.node.observe(self.call, breaker::Outcome::Refused, Some(text)),
            Outcome::Silent => breaker::Outcome::Silent,
            Outcome::Nothing => return,
        };
        self.node.observe(self.call, outcome, None);
    }
}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observation").field("call", &self.call).finish_non_exhaustive()
    }
}
