//! How a store can fail, and what a rule wants done about it.

use std::fmt;

/// What to answer when the store cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum FailureMode {
    /// Fail the call: the caller's own failure policy decides.
    #[default]
    Error,
    /// Let it pass (fail open).
    Allow,
    /// Refuse it (fail closed).
    Deny,
    /// Count in this process meanwhile.
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

    /// The mode of this name.
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

/// Why a hit has no verdict. Cheap to copy, for one failed call fails many hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum StoreError {
    /// The store was closed; the process is shutting down.
    #[error("the counter store is closed: the service is shutting down")]
    Closed,
    /// There is no connection. Nothing was charged.
    #[error("the counter store cannot be reached; nothing was charged")]
    Unreachable,
    /// It has not answered for a while, and is not asked until it does again. Nothing was charged.
    #[error("the counter store does not answer: its breaker is open; nothing was charged")]
    Tripped,
    /// More work waits than the service holds on to. Nothing was charged.
    #[error("too many checks wait for the counter store; nothing was charged")]
    Overloaded,
    /// The caller's deadline passed, or it left, before the store was asked. Nothing was charged.
    #[error("the caller's deadline passed before the counter store could be asked; nothing was charged")]
    Expired,
    /// The store was asked and did not answer in time. The hit may have been charged.
    #[error("the counter store did not answer in time; the hit may have been charged")]
    Unanswered,
    /// The hits belong together, and the store cannot charge them all or none: they may be on servers of their own.
    /// Nothing was charged.
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

/// With what error a store answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The node takes no writes: a replica, or one without enough replicas.
    #[error("it is read-only")]
    ReadOnly,
    /// Its memory is full.
    #[error("it is out of memory")]
    OutOfMemory,
    /// The counter's key holds something else.
    #[error("the counter's key holds something that is not a counter")]
    WrongType,
    /// The credentials are wrong, or do not allow this.
    #[error("the credentials are wrong, or do not allow it")]
    NotPermitted,
    /// It is not ready yet, or busy with a script, or part of a cluster that is down.
    #[error("it is loading, busy or part of a cluster that is down")]
    NotReady,
    /// Anything else; the log has its words.
    #[error("it gave an error that the log has")]
    Other,
}
