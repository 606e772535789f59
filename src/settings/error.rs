//! What is wrong with the environment and the flags, all of it at once.

use std::fmt;

/// Every fault that was found: what cannot be read, in the order of the table, then what is to come. Never empty.
/// Displayed one a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SettingsError(pub(super) Vec<Problem>);

impl SettingsError {
    /// The faults.
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

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The value cannot be read.
    #[error("{place}: {value:?} is not {accepted}")]
    Malformed {
        /// The variable, or the flag and the variable.
        place: Place,
        /// The value as it was given, unless it is secret.
        value: String,
        /// What would have been accepted.
        accepted: &'static str,
    },
    /// The value is right, and asks for a feature that does not exist yet.
    #[error("{place}: {value:?} asks for {feature}, which is not supported yet: {cure}")]
    NotSupportedYet {
        /// The variable, or the flag and the variable.
        place: Place,
        /// The value as it was given, unless it is secret.
        value: String,
        /// What it asks for.
        feature: &'static str,
        /// What to do meanwhile.
        cure: &'static str,
    },
    /// The value is right, and asks for something that was left out when this program was built.
    #[error(
        "{place}: {value:?} asks for {feature}, which this program was built without: build it with the cargo feature `redis`, or set BACKEND_TYPE=memory"
    )]
    NotBuilt {
        /// The variable, or the flag and the variable.
        place: Place,
        /// The value as it was given, unless it is secret.
        value: String,
        /// What it asks for.
        feature: &'static str,
    },
    /// Two values, each right by itself, that cannot both be.
    #[error("{place}: {value:?} contradicts {other}: {reason}")]
    Contradiction {
        /// The variable, or the flag and the variable.
        place: Place,
        /// The value as it was given, unless it is secret.
        value: String,
        /// The other variable and its value, unless that is secret.
        other: String,
        /// Why they cannot both be.
        reason: &'static str,
    },
    /// A value without which another means nothing.
    #[error("{place}: is not set, and {because} needs it")]
    Missing {
        /// The variable that is to be set.
        place: Place,
        /// The variable that needs it, and its value.
        because: String,
    },
}

impl Problem {
    /// Where the fault is.
    #[must_use]
    pub fn place(&self) -> Place {
        match self {
            Self::Malformed { place, .. }
            | Self::NotSupportedYet { place, .. }
            | Self::NotBuilt { place, .. }
            | Self::Contradiction { place, .. }
            | Self::Missing { place, .. } => *place,
        }
    }
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The environment variable.
    pub variable: &'static str,
    /// The flag that overrides it, if that is where the value is from.
    pub flag: Option<&'static str>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.flag {
            Some(flag) => write!(f, "{flag} ({})", self.variable),
            None => f.write_str(self.variable),
        }
    }
}
