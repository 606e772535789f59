//! The window of a limit: a multiple of a unit of the rule format, of fixed length or by a calendar.

use std::{fmt, num::NonZeroU32, time::Duration};

use super::{Calendar, TimeZone, Unit};

/// Why a window is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// The window is too long for the algorithms to be exact.
    #[error("a window of {multiplier} × {unit} is longer than 100 years; choose a smaller unit_multiplier")]
    TooLong {
        /// The unit of the rejected window.
        unit: Unit,
        /// Its multiplier.
        multiplier: NonZeroU32,
    },
    /// A calendar for a unit whose length does not depend on one.
    #[error("calendar is for day, week, month and year; every {0} has one length everywhere: leave calendar out")]
    NoCalendar(Unit),
}

/// The window of a limit: `multiplier` × `unit`, at most 100 years. Either of fixed length, aligned to the epoch, or by
/// the calendar of a time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    unit: Unit,
    multiplier: NonZeroU32,
    zone: Option<TimeZone>,
}

impl Window {
    const MAX_SECONDS: u64 = 100 * 365 * 86_400;

    /// A window of `multiplier` units of fixed length.
    ///
    /// # Errors
    /// If it is longer than 100 years.
    pub const fn new(unit: Unit, multiplier: NonZeroU32) -> Result<Self, WindowError> {
        match unit.seconds().checked_mul(multiplier.get() as u64) {
            Some(seconds) if seconds <= Self::MAX_SECONDS => Ok(Self { unit, multiplier, zone: None }),
            _ => Err(WindowError::TooLong { unit, multiplier }),
        }
    }

    /// A window of `multiplier` units by the calendar of a time zone.
    ///
    /// # Errors
    /// If it is longer than about 100 years, or the unit is shorter than a day.
    pub fn by_calendar(unit: Unit, multiplier: NonZeroU32, zone: TimeZone) -> Result<Self, WindowError> {
        if Calendar::new(unit, multiplier, zone).is_none() {
            return Err(WindowError::NoCalendar(unit));
        }
        Self::new(unit, multiplier).map(|window| Self { zone: Some(zone), ..window })
    }

    /// The calendar that determines where windows begin and end; `None` for windows of fixed length.
    #[must_use]
    #[inline]
    pub fn calendar(self) -> Option<Calendar> {
        Calendar::new(self.unit, self.multiplier, self.zone?)
    }

    /// Whether limits that differ only in their windows use the same counter.
    #[must_use]
    pub fn shares_counters_with(self, other: Self) -> bool {
        match (self.zone, other.zone) {
            (None, None) => self.seconds() == other.seconds(),
            _ => self == other,
        }
    }

    /// The unit that the rule names.
    #[must_use]
    #[inline]
    pub const fn unit(self) -> Unit {
        self.unit
    }

    /// How many units the window spans.
    #[must_use]
    #[inline]
    pub const fn multiplier(self) -> NonZeroU32 {
        self.multiplier
    }

    /// Length in seconds, at least 1. For a window by a calendar, the nominal length: that of the same window without
    /// one.
    #[must_use]
    #[inline]
    pub const fn seconds(self) -> u64 {
        self.unit.seconds() * self.multiplier.get() as u64
    }

    /// Length in microseconds, exact as an `f64`; nominal if there is a calendar.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    #[inline]
    pub const fn micros(self) -> f64 {
        (self.seconds() * 1_000_000) as i64 as f64
    }

    /// Length as a duration; nominal if there is a calendar.
    #[must_use]
    #[inline]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.seconds())
    }
}

impl From<Unit> for Window {
    #[inline]
    fn from(unit: Unit) -> Self {
        Self { unit, multiplier: NonZeroU32::MIN, zone: None }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calendar = if self.zone.is_some() { "calendar " } else { "" };
        match self.multiplier.get() {
            1 => write!(f, "{calendar}{}", self.unit)?,
            several => write!(f, "{several} {calendar}{}s", self.unit)?,
        }
        self.zone.map_or(Ok(()), |zone| write!(f, " in {zone}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_end_at_a_hundred_years() {
        let years = |n| Window::new(Unit::Year, NonZeroU32::new(n).expect("not zero"));
        assert_eq!(years(100).map(Window::seconds), Ok(3_153_600_000));
        assert!(years(101).is_err());
        assert!(years(u32::MAX).is_err());
    }

    #[cfg(feature = "calendar")]
    #[test]
    fn a_calendar_is_part_of_a_window() {
        let zone = TimeZone::from_name("Europe/Berlin").expect("a time zone");
        let days = |n| Window::by_calendar(Unit::Day, NonZeroU32::new(n).expect("not zero"), zone).expect("valid");
        assert_eq!(days(1).to_string(), "calendar day in Europe/Berlin");
        assert_eq!(days(3).to_string(), "3 calendar days in Europe/Berlin");
        assert!(days(7).calendar().is_some_and(|calendar| calendar.zone() == zone));
        assert!(!days(1).shares_counters_with(Unit::Day.into()));
        assert_eq!(Window::by_calendar(Unit::Hour, NonZeroU32::MIN, zone), Err(WindowError::NoCalendar(Unit::Hour)));
        let minute = Window::new(Unit::Second, NonZeroU32::new(60).expect("not zero")).expect("valid");
        assert!(minute.shares_counters_with(Unit::Minute.into()) && minute != Unit::Minute.into());
    }
}
