//! What the script is told. `lua/driver.lua` describes the format.

use std::time::Duration;

use super::Entry;
use crate::domain::{Algorithm, Charge, Hit, Timestamp};

/// Bytes of a group's head, and of each of its hits without the bounds of a calendar.
const GROUP_BYTES: usize = 31;
const HIT_BYTES: usize = 42;

/// The keys and the argument of one `EVALSHA sha1 numkeys key… argument`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// KEYS: the counters of each entry, in order. One may come again in a later entry.
    pub keys: Vec<&'a [u8]>,
    /// ARGV\[1\], binary.
    pub argument: Vec<u8>,
}

impl<'a> Call<'a> {
    /// A call of no entries, whose reply only tells the time.
    #[must_use]
    pub fn of_nothing() -> Self {
        Self { keys: Vec::new(), argument: Vec::new() }
    }

    /// The call for these entries, where it is about `now` by the server's clock: the script counts by the clock itself,
    /// and must find its time in the windows of calendars that are sent along. `jitter` is asked once for each entry, for
    /// how much longer than needed its counters live.
    pub fn new(entries: &'a [Entry], now: Timestamp, mut jitter: impl FnMut() -> Duration) -> Self {
        let hits: usize = entries.iter().map(|entry| entry.group().hits.len()).sum();
        let mut keys = Vec::with_capacity(hits);
        let mut argument = Vec::with_capacity(entries.len() * GROUP_BYTES + hits * HIT_BYTES);
        for entry in entries {
            keys.extend(entry.counters().first_hits().map(|hit| entry.group().hits[hit].key.as_bytes()));
            push_entry(&mut argument, entry, now, jitter());
        }
        Self { keys, argument }
    }
}

fn push_entry(into: &mut Vec<u8>, entry: &Entry, now: Timestamp, jitter: Duration) {
    let group = entry.group();
    into.extend([group.atomic, group.quota_passed, group.refused].map(u8::from));
    for count in [group.hits.len() as u32, entry.counters().len() as u32, entry.times()] {
        into.extend(count.to_le_bytes());
    }
    into.extend((jitter.as_millis() as f64).to_le_bytes());
    into.extend(group.now.map_or(-1.0, Timestamp::as_f64).to_le_bytes());
    let mut before: Option<&Hit> = None;
    for (hit, counter) in group.hits.iter().zip(entry.counters().of_hits()) {
        let joins = before.is_some_and(|before| before.descriptor == hit.descriptor);
        push_hit(into, hit, counter as u32 + 1, joins, group.now.unwrap_or(now));
        before = Some(hit);
    }
}

fn push_hit(into: &mut Vec<u8>, hit: &Hit, counter: u32, joins: bool, now: Timestamp) {
    let Hit { limit, charge, shadow, quota, .. } = hit;
    let calendar = limit.window().calendar();
    let algorithm = match limit.algorithm() {
        Algorithm::FixedWindow if calendar.is_some() => 4,
        Algorithm::FixedWindow => 1,
        Algorithm::SlidingWindow => 2,
        Algorithm::TokenBucket => 3,
    };
    let gives = matches!(charge, Charge::Give(_));
    into.extend(counter.to_le_bytes());
    into.push(algorithm);
    into.extend([joins, *shadow, *quota, gives, limit.count_denied()].map(u8::from));
    let [amount, requests, burst] = [charge.amount(), limit.requests(), limit.burst()].map(|n| n as f64);
    let bounds = calendar.into_iter().flat_map(|calendar| calendar.around(now));
    for number in [amount, requests, burst, limit.window().micros()].into_iter().chain(bounds) {
        into.extend(number.to_le_bytes());
    }
}
