//! Windows of a calendar, by the server's clock.

use std::{num::NonZeroU32, time::Duration};

use limiter::domain::{Clock as _, Group, Limit, SystemClock, TimeZone, Timestamp, Unit, Window};
use redis::{Entry, GroupError, decode};

use crate::parity::{
    hits::{NONE, SECOND, at, code, fixed, hit, one, only, single},
    server::{Redis, Reply, server, server_at},
};

fn by_calendar(unit: Unit, multiplier: u32, zone: &str, requests: u64) -> Limit {
    let zone = TimeZone::from_name(zone).expect("a time zone");
    let multiplier = NonZeroU32::new(multiplier).expect("not zero");
    let window = Window::by_calendar(unit, multiplier, zone).expect("a window");
    Limit::fixed_window(requests, window)
}

/// The sender of calendar windows need not have the server's time: the server's decides as long as it is in one of the
/// windows that were sent; otherwise nothing is charged.
#[test]
fn the_windows_of_a_calendar_are_chosen_by_the_server_s_clock() {
    let mut redis = Redis::start();
    let zones = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Pacific/Apia", "Etc/GMT-12"];
    let present = SystemClock.now().as_micros();
    let shifted = |by: i64| Timestamp::from_micros(present.saturating_add_signed(by * 1_000_000));
    let day = 86_400;
    for (unit, multiplier, length) in [(Unit::Day, 1, day), (Unit::Week, 2, 14 * day), (Unit::Month, 1, 28 * day)] {
        for zone in zones {
            let limit = by_calendar(unit, multiplier, zone, 10);
            let calendar = limit.window().calendar().expect("a calendar");
            let (mut counted, mut window) = (0, 0.0);
            // almost two windows behind, and one ahead, are always covered; then a look
            let shifts = [0, -7200, 30, day, -day, length, -length, 3 * length / 2, -7 * length / 8, 0];
            let (last, _) = shifts.iter().enumerate().next_back().expect("shifts");
            for (at, by) in shifts.into_iter().enumerate() {
                if at == last {
                    out_of_reach(&mut redis, zone, limit, length, shifted);
                }
                let n = u64::from(at != last);
                let entries = [single(hit(zone, limit, n))];
                let Reply::Bytes(reply) = redis.evalsha_about(&entries, &server_at(shifted(by)), NONE) else {
                    panic!("no reply")
                };
                let (now, answers) = decode(&entries, &server(), &reply).expect("a reply");
                let (verdict, span) = (only(&answers[0]), calendar.span(now.as_f64()));
                // a day may end during the test
                counted = if window == span.start { counted + n } else { n };
                window = span.start;
                assert_eq!((verdict.after, verdict.allowed), (counted, true), "{limit} in {zone}, {by} s");
                assert_eq!(
                    verdict.reset_after,
                    Duration::from_micros(span.end as u64 - now.as_micros()),
                    "{limit}, {by} s"
                );
            }
        }
        redis.command(&["FLUSHALL"]);
    }
}

/// Windows of a calendar five lengths before or after the server's time: nothing is charged.
fn out_of_reach(redis: &mut Redis, key: &str, limit: Limit, length: i64, shifted: impl Fn(i64) -> Timestamp) {
    for by in [5 * length, -5 * length, 86_400_000, -86_400_000] {
        let group = Group::new(vec![fixed("beside", 1), hit(key, limit, 1)]);
        let entries = [Entry::new(group), single(fixed("neighbour", 1))];
        let Reply::Bytes(reply) = redis.evalsha_about(&entries, &server_at(shifted(by)), NONE) else {
            panic!("no reply")
        };
        let answers = decode(&entries, &server(), &reply).expect("a reply").1;
        assert_eq!(code(&answers[0]), "CLOCK", "{limit} in {key}, {by} s");
        assert!(
            matches!(&answers[0], Err(GroupError::Refused { key: named, .. }) if named.as_bytes() == key.as_bytes())
        );
        assert!(answers[1].is_ok(), "its neighbour is counted");
    }
    assert_eq!(one(redis, single(fixed("beside", 0))).after, 0, "a group that fails charges nothing");
}

#[test]
fn a_calendar_counter_lives_to_the_end_of_its_window() {
    let mut redis = Redis::start();
    let (spring, hour) = (1_774_738_800 * SECOND, 3600 * SECOND);
    for (key, unit, at_hour, hours) in [("day", Unit::Day, 1, 22), ("month", Unit::Month, 5, 72 - 6)] {
        let limit = by_calendar(unit, 1, "Europe/Berlin", 10);
        redis.check(&[at(hit(key, limit, 1), spring + at_hour * hour)], Duration::from_secs(60));
        let expected = hours * 3_600_000 + 60_000;
        let life = redis.number(&["PTTL", key]);
        assert!(life <= expected + 1 && life > expected - 60_000, "{key}: {life} of {expected}");
    }
}
