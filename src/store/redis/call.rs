//! What the script is told. `lua/driver.lua` describes the format.

use std::time::Duration;

use super::Entry;
use crate::domain::{Algorithm, Charge, Hit, Timestamp};

/// Bytes of a group's head, and of each of its hits.
const GROUP_BYTES: usize = 31;
const HIT_BYTES: usize = 42;

/// The keys and the argument of one `EVALSHA sha1 numkeys key… argument`. Of no entries, a call that only tells the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// KEYS: the counters of each entry, in order. One may come again in a later entry.
    pub keys: Vec<&'a [u8]>,
    /// ARGV\[1\], binary.
    pub argument: Vec<u8>,
}

impl<'a> Call<'a> {
    /// The call for these entries. `jitter` is asked once for each, for how much longer than needed its counters live.
    pub fn new(entries: &'a [Entry], mut jitter: impl FnMut() -> Duration) -> Self {
        let hits: usize = entries.iter().map(|entry| entry.group().hits.len()).sum();
        let mut keys = Vec::with_capacity(hits);
        let mut argument = Vec::with_capacity(entries.len() * GROUP_BYTES + hits * HIT_BYTES);
        for entry in entries {
            keys.extend(entry.counters().first_hits().map(|hit| entry.group().hits[hit].key.as_bytes()));
            push_entry(&mut argument, entry, jitter());
        }
        Self { keys, argument }
    }
}

fn push_entry(into: &mut Vec<u8>, entry: &Entry, jitter: Duration) {
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
        push_hit(into, hit, counter as u32 + 1, joins);
        before = Some(hit);
    }
}

fn push_hit(into: &mut Vec<u8>, hit: &Hit, counter: u32, joins: bool) {
    let Hit { limit, charge, shadow, quota, .. } = hit;
    let algorithm = match limit.algorithm() {
        Algorithm::FixedWindow => 1,
        Algorithm::SlidingWindow => 2,
        Algorithm::TokenBucket => 3,
    };
    let gives = matches!(charge, Charge::Give(_));
    into.extend(counter.to_le_bytes());
    into.push(algorithm);
    into.extend([joins, *shadow, *quota, gives, limit.count_denied()].map(u8::from));
    let [amount, requests, burst] = [charge.amount(), limit.requests(), limit.burst()].map(|n| n as f64);
    for number in [amount, requests, burst, limit.window().micros()] {
        into.extend(number.to_le_bytes());
    }
}
