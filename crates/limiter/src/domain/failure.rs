//! How a store can fail, and what a rule does then.

use std::fmt;

/// The answer to a hit while the store cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum FailureMode {
    /// Fail the call: the caller's own failure policy applies.
    #[default]
    Error,
    /// Allow the request (fail open).
    Allow,
    /// Deny the request (fail closed).
    Deny,
    /// Count in this process until the store answers again.
    Local,
}

impl FailureMode {
    /// Every mode.
    pub const ALL: [Self; 4] = [Self::Error, Self::Allow, Self::Deny, Self::Local];

    /// The name used in rules and settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Local => "local",
        }
    }

    /// The mode with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

impl fmt::Display for FailureMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a hit has no verdict. `Copy`, because one failed call fails many hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum StoreError {
    /// The store was closed; the process is shutting down.
    #[error("the counter store is closed: the service is shutting down")]
    Closed,
    /// There is no connection. Nothing was charged.
    #[error("the counter store cannot be reached; nothing was charged")]
    Unreachable,
    /// The store has not answered for a while: its circuit breaker is open. Nothing was charged.
    #[error("the counter store does not answer: its breaker is open; nothing was charged")]
    Tripped,
    /// The limit of waiting checks is reached. Nothing was charged.
    #[error("too many checks wait for the counter store; nothing was charged")]
    Overloaded,
    /// The caller's deadline passed, or it cancelled, before the store was asked. Nothing was charged.
    #[error("the caller's deadline passed before the counter store could be asked; nothing was charged")]
    Expired,
    /// The store was asked and did not answer in time. The hit may have been charged.
    #[error("the counter store did not answer in time; the hit may have been charged")]
    Unanswered,
    /// The hits belong together, but the store cannot charge them all or none: their counters may be on different
    /// servers. Nothing was charged.
    #[error(
        "the counters of this request may be on different servers, so they cannot be charged all or none; nothing was charged"
    )]
    Divided,
    /// The store answered with an error.
    #[error("the counter store refused: {0}")]
    Refused(Refusal),
    /// The store's answer could not be understood. The hit may have been charged.
    #[error("the counter store's answer could not be read; the hit may have been charged")]
    Unreadable,
}

/// The kinds of error that a store answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The node rejects writes: it is a replica, or has too few replicas.
    #[error("it is read-only")]
    ReadOnly,
    /// Its memory is full.
    #[error("it is out of memory")]
    OutOfMemory,
    /// The counter's key holds a value of another type.
    #[error("the counter's key holds something that is not a counter")]
    WrongType,
    /// The credentials are wrong, or do not permit the command.
    #[error("the credentials are wrong, or do not allow it")]
    NotPermitted,
    /// It is loading its data, busy with a script, or part of a cluster that is down.
    #[error("it is loading, busy or part of a cluster that is down")]
    NotReady,
    /// Any other error; its text is in the log.
    #[error("it gave an error that the log has")]
    Other,
}
