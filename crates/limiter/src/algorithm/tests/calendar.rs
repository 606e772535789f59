//! Fixed windows by the calendar of a time zone.

use proptest::{prelude::*, sample::select};

use super::*;
use crate::domain::TimeZone;

const HOUR: u64 = 3600 * SECOND;
/// The night before clocks are put forward in Berlin: midnight of 2026-03-29 there.
const SPRING: u64 = 1_774_738_800 * SECOND;
/// The night before clocks are put back in Berlin: midnight of 2026-10-25 there.
const AUTUMN: u64 = 1_792_879_200 * SECOND;

fn by_calendar(requests: u64, unit: Unit, multiplier: u32, zone: &str, count_denied: bool) -> Limit {
    let zone = TimeZone::from_name(zone).expect("a time zone");
    let window = Window::by_calendar(unit, NonZeroU32::new(multiplier).expect("not zero"), zone).expect("a window");
    Limit::new(Algorithm::FixedWindow, requests, window, None, Some(count_denied)).expect("a limit")
}

fn days(requests: u64) -> Counter {
    Counter::new(by_calendar(requests, Unit::Day, 1, "Europe/Berlin", true))
}

#[test]
fn a_day_lasts_from_midnight_to_midnight_even_when_clocks_change() {
    for (midnight, hours) in [(SPRING - 24 * HOUR, 24), (SPRING, 23), (AUTUMN, 25)] {
        let mut counter = days(10);
        assert!(counter.take(midnight - 1, 10).allowed, "the last moment of the day before");
        let first = counter.take(midnight, 10);
        assert_eq!((first.allowed, first.before, first.reset_after), (true, 0, Duration::from_secs(hours * 3600)));
        assert_eq!(expires_at(&counter.state.expect("written"), &counter.limit), at(midnight + hours * HOUR));
        let last = midnight + hours * HOUR - 1;
        assert_eq!(counter.take(last, 1).retry_after, after(1));
        assert!(counter.take(last + 1, 1).allowed);
    }
}

#[test]
fn clocks_that_differ_by_less_than_a_day_never_reopen_a_day() {
    let mut counter = days(10);
    assert!(counter.take(SPRING, 9).allowed);
    let behind = counter.take(SPRING - 1, 2);
    assert_eq!((behind.allowed, behind.before, behind.after), (false, 9, 11));
    assert_eq!(behind.reset_after, Duration::from_secs(23 * 3600), "as if midnight had passed");
    assert!(!counter.take(SPRING - 23 * HOUR, 1).allowed);
    assert_eq!(counter.state.map(|state| state.time), Some(SPRING as f64));
}

#[test]
fn a_clock_that_falls_back_by_more_keeps_the_count_in_its_own_day() {
    let mut counter = days(10);
    assert!(counter.take(AUTUMN, 9).allowed);
    let long_ago = SPRING + HOUR;
    let moved = counter.take(long_ago, 1);
    assert_eq!((moved.allowed, moved.before), (true, 9));
    assert_eq!(counter.state.map(|state| state.time), Some(SPRING as f64));
    assert_eq!(counter.take(SPRING + 23 * HOUR, 10).before, 0);
}

#[test]
fn months_have_their_own_lengths() {
    let mut counter = Counter::new(by_calendar(5, Unit::Month, 1, "UTC", false));
    // 2028-02-01, in a leap year, and 2028-03-01
    let (february, march) = (1_832_976_000 * SECOND, 1_835_481_600 * SECOND);
    assert_eq!(counter.take(february, 5).reset_after, Duration::from_secs(29 * 86_400));
    assert!(!counter.take(march - 1, 1).allowed);
    assert_eq!(counter.take(march, 5).reset_after, Duration::from_secs(31 * 86_400));
}

fn calendars() -> impl Strategy<Value = Limit> {
    let zones = ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Asia/Kolkata", "Africa/Cairo"];
    let units = [Unit::Day, Unit::Day, Unit::Week, Unit::Month, Unit::Year];
    (1..30u64, select(units.to_vec()), 1..4u32, select(zones.to_vec()), any::<bool>()).prop_map(
        |(requests, unit, multiplier, zone, count_denied)| by_calendar(requests, unit, multiplier, zone, count_denied),
    )
}

proptest! {
    /// Compared with a count for each window, by its start. Time only moves forwards.
    #[test]
    fn each_window_counts_by_itself(
        limit in calendars(),
        start in 0..4_000_000_000u64,
        hits in proptest::collection::vec((prop_oneof![0..3 * HOUR, 0..800 * HOUR], 1..20u64), 1..60),
    ) {
        let calendar = limit.window().calendar().expect("a calendar");
        let (mut counter, mut now) = (Counter::new(limit), start * SECOND);
        let (mut window, mut count) = (f64::NAN, 0);
        for (wait, n) in hits {
            now += wait;
            let span = calendar.span(now as f64);
            if span.start != window {
                (window, count) = (span.start, 0);
            }
            let allowed = count + n <= limit.requests();
            let verdict = counter.take(now, n);
            prop_assert_eq!((verdict.allowed, verdict.before), (allowed, count));
            count += if allowed || limit.count_denied() { n } else { 0 };
            prop_assert_eq!(verdict.after, count);
            prop_assert_eq!(verdict.reset_after, Duration::from_micros(span.end as u64 - now));
            if let Some(state) = counter.state {
                let expiry = expires_at(&state, &limit);
                prop_assert!(expiry.as_micros() == span.end as u64 || state.time < span.start);
                let charge = Charge::Take(n);
                prop_assert_eq!(step(Some(state), &limit, expiry, charge), step(None, &limit, expiry, charge));
            }
        }
    }
}
