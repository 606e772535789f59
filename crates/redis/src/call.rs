//! Encodes the arguments of the script. `lua/driver.lua` describes the format.

use std::{collections::HashMap, ops::Range, time::Duration};

use super::Entry;
use limiter::domain::{Algorithm, Charge, Hit, Timestamp};

/// Bytes of a kind without its hits, and of each of those without the bounds of a calendar.
const KIND_BYTES: usize = 19;
const HIT_BYTES: usize = 42;

/// Bytes of a group without its counters, and of each of those.
const GROUP_BYTES: usize = 12;
const COUNTER_BYTES: usize = 4;

/// The keys and the arguments of one `EVALSHA sha1 numkeys key… kinds groups`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// KEYS: the counters of all entries, each once.
    pub keys: Vec<&'a [u8]>,
    /// ARGV\[1\], binary: the kinds of entries.
    pub kinds: Vec<u8>,
    /// ARGV\[2\], binary: the kind of each entry, and its counters.
    pub groups: Vec<u8>,
}

impl<'a> Call<'a> {
    /// A call of no entries, whose reply holds only the time.
    #[must_use]
    pub fn of_nothing() -> Self {
        Self { keys: Vec::new(), kinds: Vec::new(), groups: Vec::new() }
    }

    /// The call for these entries, at about `now` by the server's clock: the script reads that clock, and must find its
    /// time in the windows of calendars that are sent along. `jitter` is called once for each entry, for how much
    /// longer than needed its counters live.
    pub fn new(entries: &'a [Entry], now: Timestamp, mut jitter: impl FnMut() -> Duration) -> Self {
        let counters: usize = entries.iter().map(|entry| entry.counters().len()).sum();
        let mut keys = Keys::with_capacity(counters);
        let mut kinds = Kinds::with_room();
        let mut groups = Vec::with_capacity(entries.len() * GROUP_BYTES + counters * COUNTER_BYTES);
        for entry in entries {
            let jitter = u32::try_from(jitter().as_millis()).unwrap_or(u32::MAX); // 49 days at most
            for number in [kinds.number_of(entry, now), entry.times(), jitter] {
                groups.extend(number.to_le_bytes());
            }
            for hit in entry.counters().first_hits() {
                groups.extend(keys.number_of(entry.group().hits[hit].key.as_bytes()).to_le_bytes());
            }
        }
        Self { keys: keys.in_order, kinds: kinds.encoded, groups }
    }
}

/// Distinct keys, numbered from 1 in the order of their appearance.
struct Keys<'a> {
    in_order: Vec<&'a [u8]>,
    numbers: HashMap<&'a [u8], u32, foldhash::fast::RandomState>,
}

impl<'a> Keys<'a> {
    fn with_capacity(keys: usize) -> Self {
        let numbers = HashMap::with_capacity_and_hasher(keys, foldhash::fast::RandomState::default());
        Self { in_order: Vec::with_capacity(keys), numbers }
    }

    fn number_of(&mut self, key: &'a [u8]) -> u32 {
        let next = self.in_order.len() as u32 + 1;
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.in_order.push(key);
        }
        number
    }
}

/// Kinds of entry, numbered from 1.
struct Kinds<'a> {
    encoded: Vec<u8>,
    /// Where each is.
    places: Vec<Range<usize>>,
    /// The entry before, and its kind: most calls are of many entries of one kind, which need not be encoded to be
    /// found.
    last: Option<(&'a Entry, u32)>,
}

impl<'a> Kinds<'a> {
    /// How many kinds are compared for an equal one. Beyond that, some are sent twice.
    const REMEMBERED: usize = 8;

    /// With room for a few.
    fn with_room() -> Self {
        Self { encoded: Vec::with_capacity(4 * (KIND_BYTES + HIT_BYTES)), places: Vec::with_capacity(4), last: None }
    }

    fn number_of(&mut self, entry: &'a Entry, now: Timestamp) -> u32 {
        if let Some((last, number)) = self.last
            && last.is_alike(entry)
        {
            return number;
        }
        let number = self.encode(entry, now);
        self.last = Some((entry, number));
        number
    }

    /// Encodes the kind of an entry, unless it is known.
    fn encode(&mut self, entry: &Entry, now: Timestamp) -> u32 {
        let end = self.encoded.len();
        push_kind(&mut self.encoded, entry, now);
        let (before, kind) = self.encoded.split_at(end);
        let known = self.places.iter().rev().take(Self::REMEMBERED).position(|place| &before[place.clone()] == kind);
        match known {
            Some(back) => {
                self.encoded.truncate(end);
                (self.places.len() - back) as u32
            }
            None => {
                self.places.push(end..self.encoded.len());
                self.places.len() as u32
            }
        }
    }
}

fn push_kind(into: &mut Vec<u8>, entry: &Entry, now: Timestamp) {
    let group = entry.group();
    into.extend([group.atomic, group.quota_passed, group.refused].map(u8::from));
    for count in [group.hits.len() as u32, entry.counters().len() as u32] {
        into.extend(count.to_le_bytes());
    }
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
