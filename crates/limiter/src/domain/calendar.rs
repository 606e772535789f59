//! Windows by the calendar of a time zone: days, weeks, months and years in local time.
//!
//! A window begins at the first instant of its first local day: at midnight, or later if clocks are put forward over
//! midnight. So a day has 23 or 25 hours when clocks change, and a month has its own number of days. Windows of several
//! units are counted from 1970: `3 months` are quarters, `2 weeks` begin on every second Monday.
//!
//! The time zone database is compiled in: the container image has none.

use std::{
    collections::BTreeMap,
    fmt,
    hash::{Hash, Hasher},
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
};

use jiff::{
    civil::{Date, Time},
    tz::{AmbiguousOffset, Offset},
};

use super::{MAX_COUNT, Timestamp, Unit};

const SECOND: f64 = 1e6;
const DAY: i64 = 86_400;
/// The Monday before 1970-01-01, in days since that date.
const FIRST_MONDAY: i64 = -3;

/// A time zone of the IANA database. Each one that was looked up is kept until the process ends; there are about 600.
#[derive(Clone, Copy)]
pub struct TimeZone(&'static Zone);

struct Zone {
    name: Box<str>,
    rules: jiff::tz::TimeZone,
}

impl TimeZone {
    /// The time zone with exactly this name, such as `Europe/Berlin`. Without the feature `calendar` there is none.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        static KNOWN: Mutex<BTreeMap<&'static str, &'static Zone>> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zone) = known.get(name) {
            return Some(Self(zone));
        }
        // the database ignores letter case; two spellings of one zone would be two counters
        let rules = jiff::tz::TimeZone::get(name).ok().filter(|rules| rules.iana_name() == Some(name))?;
        let zone: &'static Zone = Box::leak(Box::new(Zone { name: name.into(), rules }));
        known.insert(&zone.name, zone);
        Some(Self(zone))
    }

    /// The names of all time zones, sorted.
    #[must_use]
    pub fn names() -> Vec<String> {
        let mut names: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
        names.sort_unstable();
        names
    }

    /// The IANA name.
    #[must_use]
    #[inline]
    pub fn name(self) -> &'static str {
        &self.0.name
    }

    /// The first instant of a local day, in seconds since the epoch.
    fn first_instant(self, day: Date) -> i64 {
        let zone = &self.0.rules;
        let midnight = day.to_datetime(Time::midnight());
        let ambiguous = zone.to_ambiguous_timestamp(midnight);
        // where midnight is skipped, the day begins when the clocks are put forward
        let skipped = match ambiguous.offset() {
            AmbiguousOffset::Gap { after, .. } => after.to_timestamp(midnight).ok(),
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => None,
        };
        let change = skipped.and_then(|before| zone.following(before).next()).map(|change| change.timestamp());
        change.or_else(|| ambiguous.compatible().ok()).map_or(i64::MAX / 2, jiff::Timestamp::as_second)
    }

    /// The local date of an instant, given in seconds since the epoch.
    fn date(self, second: i64) -> Date {
        jiff::Timestamp::from_second(second).map_or(Date::MAX, |at| self.0.rules.to_datetime(at).date())
    }
}

impl PartialEq for TimeZone {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for TimeZone {}

impl Hash for TimeZone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

impl fmt::Debug for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TimeZone({})", self.0.name)
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name)
    }
}

/// One window, in microseconds since the epoch. It includes its start and excludes its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Its first instant.
    pub start: f64,
    /// The first instant of the next one.
    pub end: f64,
}

/// The windows of one unit and multiplier in one time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    step: Step,
    multiplier: NonZeroU32,
    zone: TimeZone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Day,
    Week,
    Month,
    Year,
}

impl Calendar {
    /// Windows of `multiplier` units; `None` for units shorter than a day, whose length is the same in every calendar.
    pub(super) fn new(unit: Unit, multiplier: NonZeroU32, zone: TimeZone) -> Option<Self> {
        let step = match unit {
            Unit::Second | Unit::Minute | Unit::Hour => return None,
            Unit::Day => Step::Day,
            Unit::Week => Step::Week,
            Unit::Month => Step::Month,
            Unit::Year => Step::Year,
        };
        Some(Self { step, multiplier, zone })
    }

    /// The time zone.
    #[must_use]
    #[inline]
    pub const fn zone(self) -> TimeZone {
        self.zone
    }

    /// The window that contains an instant, given in microseconds since the epoch.
    #[must_use]
    #[inline]
    pub fn span(self, at: f64) -> Span {
        self.find(at).1
    }

    /// The starts of six consecutive windows; the third one contains `at`.
    #[must_use]
    #[inline]
    pub fn around(self, at: Timestamp) -> [f64; 6] {
        let (window, _) = self.find(at.as_f64());
        std::array::from_fn(|n| self.start(window - 2 + n as i64))
    }

    fn find(self, at: f64) -> (i64, Span) {
        // an upper bound: the longest window that contains the latest `Timestamp` ends before it
        const LATEST: f64 = 2.0 * MAX_COUNT as f64;
        let at = at.clamp(-LATEST, LATEST);
        let mut window = self.window_of(self.zone.date((at / SECOND).floor() as i64));
        let mut span = Span { start: self.start(window), end: self.start(window + 1) };
        // Where clocks go back over midnight, the last hour of a day repeats after the next day has begun. A day that a
        // zone skipped when it crossed the date line is empty.
        while span.end <= at {
            window += 1;
            span = Span { start: span.end, end: self.start(window + 1) };
        }
        while span.start > at {
            window -= 1;
            span = Span { start: self.start(window), end: span.start };
        }
        (window, span)
    }

    /// The number of the window that contains a date.
    fn window_of(self, date: Date) -> i64 {
        let (year, month) = (i64::from(date.year()) - 1970, i64::from(date.month()) - 1);
        let unit = match self.step {
            Step::Day => day_number(date),
            Step::Week => (day_number(date) - FIRST_MONDAY).div_euclid(7),
            Step::Month => 12 * year + month,
            Step::Year => year,
        };
        unit.div_euclid(i64::from(self.multiplier.get()))
    }

    /// The first instant of a window, in microseconds since the epoch.
    fn start(self, window: i64) -> f64 {
        let unit = window * i64::from(self.multiplier.get());
        let date = match self.step {
            Step::Day => date_of_day(unit),
            Step::Week => date_of_day(7 * unit + FIRST_MONDAY),
            Step::Month => first_of_month(unit),
            Step::Year => first_of_month(12 * unit),
        };
        // whole seconds: exact, also past 2^53 microseconds
        self.zone.first_instant(date) as f64 * SECOND
    }
}

/// Days since 1970-01-01.
fn day_number(date: Date) -> i64 {
    let midnight = Offset::UTC.to_timestamp(date.to_datetime(Time::midnight()));
    midnight.map_or(i64::MAX / 2, jiff::Timestamp::as_second).div_euclid(DAY)
}

fn date_of_day(number: i64) -> Date {
    jiff::Timestamp::from_second(number.saturating_mul(DAY)).map_or(Date::MAX, |at| Offset::UTC.to_datetime(at).date())
}

/// The first day of a month, given as the number of months since January 1970.
fn first_of_month(number: i64) -> Date {
    let (year, month) = (1970 + number.div_euclid(12), 1 + number.rem_euclid(12));
    let year = i16::try_from(year).unwrap_or(i16::MAX);
    Date::new(year, month as i8, 1).unwrap_or(Date::MAX)
}

#[cfg(all(test, feature = "calendar"))]
mod tests {
    use proptest::{prelude::*, sample::select};

    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::from_name(name).expect("a time zone")
    }

    fn calendar(unit: Unit, multiplier: u32, name: &str) -> Calendar {
        Calendar::new(unit, NonZeroU32::new(multiplier).expect("not zero"), zone(name)).expect("a calendar")
    }

    fn micros(rfc3339: &str) -> f64 {
        rfc3339.parse::<jiff::Timestamp>().expect("an instant").as_microsecond() as f64
    }

    fn bounds(calendar: Calendar, at: &str) -> [String; 2] {
        let Span { start, end } = calendar.span(micros(at));
        [start, end].map(|at| jiff::Timestamp::from_microsecond(at as i64).expect("an instant").to_string())
    }

    #[test]
    fn windows_begin_at_local_midnight() {
        for (unit, multiplier, name, at, start, end) in [
            (Unit::Day, 1, "UTC", "2026-11-25T12:00:00Z", "2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z"),
            (Unit::Day, 1, "Asia/Kolkata", "2026-11-25T18:30:00Z", "2026-11-25T18:30:00Z", "2026-11-26T18:30:00Z"),
            // 23 hours, and 25
            (Unit::Day, 1, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            (Unit::Day, 1, "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            // midnight is skipped
            (Unit::Day, 1, "Africa/Cairo", "2024-04-26T12:00:00Z", "2024-04-25T22:00:00Z", "2024-04-26T21:00:00Z"),
            // clocks went back over midnight: the last hour of the 29th came again when the 30th had begun
            (Unit::Day, 1, "America/St_Johns", "1995-10-29T03:00:00Z", "1995-10-29T02:30:00Z", "1995-10-30T03:30:00Z"),
            // the 30th did not take place
            (Unit::Day, 1, "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"),
            (Unit::Day, 1, "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"),
            // Monday to Monday
            (Unit::Week, 1, "Europe/Berlin", "2026-11-25T12:00:00Z", "2026-11-22T23:00:00Z", "2026-11-29T23:00:00Z"),
            (Unit::Week, 2, "UTC", "1970-01-01T00:00:00Z", "1969-12-29T00:00:00Z", "1970-01-12T00:00:00Z"),
            (Unit::Month, 1, "UTC", "2028-02-29T23:59:59Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
            // quarters
            (Unit::Month, 3, "Europe/Berlin", "2026-02-01T00:00:00Z", "2025-12-31T23:00:00Z", "2026-03-31T22:00:00Z"),
            (Unit::Year, 1, "America/New_York", "2026-11-25T12:00:00Z", "2026-01-01T05:00:00Z", "2027-01-01T05:00:00Z"),
            (Unit::Year, 1, "America/New_York", "1970-01-01T00:00:00Z", "1969-01-01T05:00:00Z", "1970-01-01T05:00:00Z"),
        ] {
            assert_eq!(bounds(calendar(unit, multiplier, name), at), [start, end], "{multiplier} × {unit} in {name}");
        }
    }

    #[test]
    fn no_calendar_changes_an_hour() {
        for unit in [Unit::Second, Unit::Minute, Unit::Hour] {
            assert_eq!(Calendar::new(unit, NonZeroU32::MIN, zone("UTC")), None);
        }
    }

    #[test]
    fn zones_have_one_spelling() {
        assert_eq!(zone("Europe/Berlin").name(), "Europe/Berlin");
        assert_eq!(zone("Europe/Berlin"), zone("Europe/Berlin"));
        for unknown in ["europe/berlin", "Berlin", "", "CET-1CEST", "../etc/passwd", "local"] {
            assert!(TimeZone::from_name(unknown).is_none(), "{unknown}");
        }
        let names = TimeZone::names();
        assert!(names.len() > 500 && names.iter().all(|name| TimeZone::from_name(name).is_some()), "{}", names.len());
    }

    /// The local day of an instant, from the zone's offset alone.
    fn local_day(zone: TimeZone, second: i64) -> i64 {
        let at = jiff::Timestamp::from_second(second).expect("an instant");
        (second + i64::from(zone.0.rules.to_offset(at).seconds())).div_euclid(DAY)
    }

    /// The first second whose local day is `day` or later, by trying each half minute of two days.
    fn naive_first_instant(zone: TimeZone, day: i64) -> i64 {
        let looks = (0..=2 * DAY / 30).map(|n| (day - 1) * DAY + 30 * n);
        looks.into_iter().find(|second| local_day(zone, *second) >= day).expect("a day begins within two")
    }

    proptest! {
        #[test]
        fn days_begin_when_the_local_day_is_first_seen(
            name in select(TimeZone::names()),
            // from 1973 on all offsets are whole minutes
            day in 1_096i64..80_000,
        ) {
            let zone = zone(&name);
            prop_assert_eq!(zone.first_instant(date_of_day(day)), naive_first_instant(zone, day));
        }

        #[test]
        fn every_instant_is_in_one_window(
            name in select(TimeZone::names()),
            unit in select(&[Unit::Day, Unit::Week, Unit::Month, Unit::Year][..]),
            multiplier in prop_oneof![4 => Just(1u32), 1 => 2..100u32],
            at in 0..1u64 << 53,
        ) {
            let calendar = calendar(unit, multiplier, &name);
            let instant = at as f64;
            let Span { start, end } = calendar.span(instant);
            prop_assert!(start <= instant && instant < end);
            prop_assert_eq!(calendar.span(start), Span { start, end });
            prop_assert_eq!(calendar.span(end).start, end);
            prop_assert_eq!(calendar.span(start - 1.0).end, start);
            let bounds = calendar.around(Timestamp::from_micros(at));
            prop_assert_eq!([bounds[2], bounds[3]], [start, end]);
            prop_assert!(bounds.is_sorted());
            prop_assert!(bounds.iter().all(|bound| (bound / SECOND).fract() == 0.0));
        }
    }

    #[test]
    fn values_that_are_no_instant_have_a_window_too() {
        for at in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300, 0.5, -0.0] {
            let Span { start, end } = calendar(Unit::Year, 100, "Pacific/Apia").span(at);
            assert!(start < end, "{at}: {start} to {end}");
        }
    }
}
