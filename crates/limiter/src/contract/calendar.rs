//! Fixed windows by the calendar of a time zone.

use crate::{
    algorithm::{State, step},
    domain::{RetryAfter, TimeZone},
};

use super::{parity::Random, *};

const HOUR: u64 = 3_600_000_000;
const DAY: u64 = 24 * HOUR;
/// Midnight in Berlin before clocks are put forward, and before they are put back: the next days have 23 and 25 hours.
const SPRING: u64 = 1_774_738_800_000_000;
const AUTUMN: u64 = 1_792_879_200_000_000;

fn limit(unit: Unit, zone: &str, requests: u64, count_denied: bool) -> Limit {
    let zone = TimeZone::from_name(zone).expect("a time zone");
    let window = Window::by_calendar(unit, NonZeroU32::MIN, zone).expect("a window");
    Limit::new(Algorithm::FixedWindow, requests, window, None, Some(count_denied)).expect("a limit")
}

fn berlin(requests: u64) -> Limit {
    limit(Unit::Day, "Europe/Berlin", requests, false)
}

pub(super) async fn days_turn_at_local_midnight<S: RateLimiter>(bench: Bench<S>) {
    let days = [SPRING - DAY, SPRING, SPRING + 23 * HOUR, AUTUMN, AUTUMN + 25 * HOUR];
    for (at, midnight) in days.into_iter().enumerate() {
        // a day between is another counter, so that a store which expires by its own clock keeps what it needs
        let key = || bench.key(&format!("{}", at / 3));
        let hit = |n| Hit::new(key(), berlin(L), Charge::Take(n));
        let first = bench.one(hit(L), midnight).await;
        assert_eq!((first.allowed, first.before), (true, 0), "a new day");
        let hours = [24, 23, 24, 25, 24][at];
        assert_eq!(micros(first.reset_after), hours * HOUR);
        let denied = bench.one(hit(1), midnight + hours * HOUR - 2_000_000).await;
        assert_eq!((denied.allowed, denied.retry_after), (false, RetryAfter::After(Duration::from_secs(2))));
    }
}

pub(super) async fn months_are_real_ones<S: RateLimiter>(bench: Bench<S>) {
    let hit = |n| Hit::new(bench.key("k"), limit(Unit::Month, "UTC", L, false), Charge::Take(n));
    // February 2028
    let february = 1_832_976_000_000_000;
    assert_eq!(micros(bench.one(hit(4), february + DAY).await.reset_after), 28 * DAY);
    assert_eq!(bench.one(hit(1), february + 29 * DAY - 2_000_000).await.before, 4);
    let march = bench.one(hit(1), february + 29 * DAY).await;
    assert_eq!((march.before, micros(march.reset_after)), (0, 31 * DAY));
}

pub(super) async fn a_clock_behind_midnight<S: RateLimiter>(bench: Bench<S>) {
    let hit = |n| Hit::new(bench.key("k"), berlin(L), Charge::Take(n));
    bench.one(hit(9), SPRING).await;
    let behind = bench.one(hit(2), SPRING - HOUR).await;
    assert_eq!((behind.allowed, behind.before, micros(behind.reset_after)), (false, 9, 23 * HOUR));
    assert!(bench.one(hit(1), SPRING - HOUR).await.allowed);
}

/// Two limits of one descriptor, charged all or none where the store can.
pub(super) async fn a_day_beside_a_second<S: RateLimiter>(bench: Bench<S>) {
    if bench.store.capabilities().atomic_groups != AtomicGroups::Supported {
        return;
    }
    let day = || Hit::new(bench.key("day"), berlin(5), Charge::Take(1));
    let minute = || Hit::new(bench.key("minute"), bench.limit(2, false), Charge::Take(1));
    let mut passed = 0;
    for at in 0..4 {
        let group = together([minute(), day()]).at(Timestamp::from_micros(SPRING + at * WINDOW / 2));
        let verdicts = bench.store.check(group).await;
        passed += u64::from(verdicts.iter().all(|verdict| verdict.expect("an answer").allowed));
    }
    assert_eq!(passed, 4, "two a minute");
    let look = bench.one(Hit::new(bench.key("day"), berlin(5), Charge::LOOK), SPRING + 3 * WINDOW).await;
    assert_eq!(look.after, 4);
}

/// Random hits over days and months of any zone: the verdicts of the step function, bit for bit.
pub(super) async fn random_days<S: RateLimiter>(bench: Bench<S>) {
    let names = TimeZone::names();
    let mut random = Random(0x1234_5678_9abc_def1);
    for case in 0..20 {
        let zone = &names[random.below(names.len() as u64) as usize];
        let unit = [Unit::Day, Unit::Week, Unit::Month][random.below(3) as usize];
        let (key, mut now) = (bench.key(&format!("{case}")), SPRING + random.below(300) * DAY);
        let mut written: Option<State> = None;
        for _ in 0..20 {
            now = if random.below(10) == 0 { now - random.below(HOUR) } else { now + random.below(9 * HOUR) };
            let limit = limit(unit, zone, 7 + random.below(30), random.below(2) == 0);
            let charge = random.charge();
            let expected = step(written, &limit, Timestamp::from_micros(now), charge);
            let verdict = bench.one(Hit::new(key.clone(), limit, charge), now).await;
            assert_eq!(verdict, expected.verdict, "{charge:?} at {now} under {limit}");
            written = expected.next.or(written);
            // not so soon that a store which expires by its own clock could have forgotten it
            let left = step(written, &limit, Timestamp::from_micros(now), Charge::LOOK).verdict.reset_after;
            if left < Duration::from_secs(10) {
                bench.store.reset(&key, &limit).await.expect("an answer");
                written = None;
            }
        }
    }
}
