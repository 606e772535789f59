//! Short ways to build hits and entries, and to read their verdicts.

use std::time::Duration;

use limiter::domain::{Algorithm, Charge, CounterKey, Group, Hit, Limit, Timestamp, Unit, Verdict};
use redis::{Answer, Entry};

use crate::parity::server::Redis;

pub const SECOND: u64 = 1_000_000;
pub const NOW: u64 = 1_700_000_000 * SECOND;
pub const NONE: Duration = Duration::ZERO;
/// The expiry of counters in tests with injected time.
pub const LONG: Duration = Duration::from_secs(3600);

pub fn limit(algorithm: Algorithm, requests: u64) -> Limit {
    Limit::new(algorithm, requests, Unit::Second.into(), None, None).expect("a limit")
}

pub fn hit(key: &str, limit: Limit, n: u64) -> Hit {
    Hit::new(CounterKey::from_bytes(key.as_bytes()), limit, Charge::Take(n))
}

pub fn fixed(key: &str, n: u64) -> Hit {
    hit(key, Limit::fixed_window(10, Unit::Hour), n)
}

pub fn single(hit: Hit) -> Entry {
    Entry::new(Group::single(hit))
}

/// These groups, each settled as often as its number says.
pub fn entries(groups: &[(Group, u32)]) -> Vec<Entry> {
    let entry = |(group, times): &(Group, u32)| {
        let mut entry = Entry::new(group.clone());
        (1..*times).for_each(|_| entry.again());
        entry
    };
    groups.iter().map(entry).collect()
}

pub fn at(hit: Hit, micros: u64) -> Entry {
    Entry::new(Group::single(hit).at(Timestamp::from_micros(micros)))
}

/// The only verdict of a group of one hit.
pub fn only(answer: &Answer) -> Verdict {
    answer.as_ref().expect("verdicts")[0][0]
}

pub fn one(redis: &mut Redis, entry: Entry) -> Verdict {
    only(&redis.check(&[entry], LONG)[0])
}

pub fn code(answer: &Answer) -> &str {
    answer.as_ref().expect_err("a refusal").code()
}
