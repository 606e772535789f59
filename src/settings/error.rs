//! Errors in the environment and the flags, all of them at once.

use std::fmt;

/// Every error that was found: values that cannot be parsed, in the order of the table, then contradictions and
/// unsupported features. Never empty. Displayed one per line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SettingsError(pub(super) Vec<Problem>);

impl SettingsError {
    /// The errors, at least one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// One error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The value cannot be parsed.
    #[error("{origin}: {value:?} is not {accepted}")]
    Malformed {
        /// The variable, or the flag and the variable.
        origin: Origin,
        /// The value as it was given, unless it is secret.
        value: String,
        /// What is accepted, to follow "is not".
        accepted: &'static str,
    },
    /// The value is valid, but selects a feature that does not exist yet.
    #[error("{origin}: {value:?} asks for {feature}, which is not supported yet: {cure}")]
    NotSupportedYet {
        /// The variable, or the flag and the variable.
        origin: Origin,
        /// The value as it was given, unless it is secret.
        value: String,
        /// The name of the feature.
        feature: &'static str,
        /// What to set meanwhile.
        cure: &'static str,
    },
    /// The value is valid, but selects a feature that this program was built without.
    #[error(
        "{origin}: {value:?} asks for {feature}, which this program was built without: build it with the cargo feature \
         `redis`, or set BACKEND_TYPE=memory"
    )]
    NotBuilt {
        /// The variable, or the flag and the variable.
        origin: Origin,
        /// The value as it was given, unless it is secret.
        value: String,
        /// The name of the feature.
        feature: &'static str,
    },
    /// Two values, each valid by itself, that exclude each other.
    #[error("{origin}: {value:?} contradicts {other}: {reason}")]
    Contradiction {
        /// The variable, or the flag and the variable.
        origin: Origin,
        /// The value as it was given, unless it is secret.
        value: String,
        /// The other variable and its value, unless that is secret.
        other: String,
        /// Why they exclude each other.
        reason: &'static str,
    },
    /// A variable is not set, and another one requires it.
    #[error("{origin}: is not set, and {because} needs it")]
    Missing {
        /// The variable to set.
        origin: Origin,
        /// The variable that requires it, and its value.
        because: String,
    },
}

impl Problem {
    /// The variable or flag that has the error.
    #[must_use]
    pub fn origin(&self) -> Origin {
        match self {
            Self::Malformed { origin, .. }
            | Self::NotSupportedYet { origin, .. }
            | Self::NotBuilt { origin, .. }
            | Self::Contradiction { origin, .. }
            | Self::Missing { origin, .. } => *origin,
        }
    }
}

/// The variable that has a value, and the flag if the value is the flag's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The environment variable.
    pub variable: &'static str,
    /// The flag that overrides the variable; `None` if the value is from the environment.
    pub flag: Option<&'static str>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.flag {
            Some(flag) => write!(f, "{flag} ({})", self.variable),
            None => f.write_str(self.variable),
        }
    }
}
