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

/// Why a hit has no verdict. Cheap to clone, for one failed call fails many hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum StoreError {
    /// The store was closed; the process is shutting down.
    #[error("the counter store is closed: the service is shutting down")]
    Closed,
}
