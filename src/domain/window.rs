//! The window of a limit: a unit of the rule format times a whole number.

use std::{fmt, num::NonZeroU32, time::Duration};

/// A unit of time of the rule format. Its numbers are those of `RateLimitUnit` in the RLS answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// One second.
    Second,
    /// 60 seconds.
    Minute,
    /// 3 600 seconds.
    Hour,
    /// 86 400 seconds.
    Day,
    /// Seven days. Windows are counted from the epoch, so they begin on a Thursday.
    Week,
    /// 30 days, as the reference counts them.
    Month,
    /// 365 days, as the reference counts them.
    Year,
}

impl Unit {
    /// Every unit, shortest first.
    pub const ALL: [Self; 7] = [Self::Second, Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// Length in seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
            Self::Week => 7 * 86_400,
            Self::Month => 30 * 86_400,
            Self::Year => 365 * 86_400,
        }
    }

    /// The lower-case name used in rules.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// The unit of this name, in any letter case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A window was longer than the algorithms can count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a window of {multiplier} × {unit} is longer than 100 years; choose a smaller unit_multiplier")]
pub struct WindowError {
    unit: Unit,
    multiplier: NonZeroU32,
}

/// The length of a limit's window: `multiplier` × `unit`, at most 100 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    unit: Unit,
    multiplier: NonZeroU32,
}

impl Window {
    const MAX_SECONDS: u64 = 100 * 365 * 86_400;

    /// A window of `multiplier` units.
    ///
    /// # Errors
    /// If it is longer than 100 years.
    pub const fn new(unit: Unit, multiplier: NonZeroU32) -> Result<Self, WindowError> {
        match unit.seconds().checked_mul(multiplier.get() as u64) {
            Some(seconds) if seconds <= Self::MAX_SECONDS => Ok(Self { unit, multiplier }),
            _ => Err(WindowError { unit, multiplier }),
        }
    }

    /// The unit that the rule names.
    #[must_use]
    pub const fn unit(self) -> Unit {
        self.unit
    }

    /// How many units the window spans.
    #[must_use]
    pub const fn multiplier(self) -> NonZeroU32 {
        self.multiplier
    }

    /// Length in seconds, at least 1.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.unit.seconds() * self.multiplier.get() as u64
    }

    /// Length in microseconds as the algorithms compute with it; exact.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub const fn micros(self) -> f64 {
        (self.seconds() * 1_000_000) as f64
    }

    /// The length.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.seconds())
    }
}

impl From<Unit> for Window {
    fn from(unit: Unit) -> Self {
        Self { unit, multiplier: NonZeroU32::MIN }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.multiplier.get() == 1 { self.unit.fmt(f) } else { write!(f, "{} {}s", self.multiplier, self.unit) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_in_any_case() {
        assert_eq!(Unit::from_name("MiNuTe"), Some(Unit::Minute));
        assert_eq!(Unit::from_name("minutes"), None);
    }

    #[test]
    fn windows_end_at_a_hundred_years() {
        let years = |n| Window::new(Unit::Year, NonZeroU32::new(n).expect("not zero"));
        assert_eq!(years(100).map(Window::seconds), Ok(3_153_600_000));
        assert!(years(101).is_err());
        assert!(years(u32::MAX).is_err());
    }
}
