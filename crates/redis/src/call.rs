//! Encodes the arguments of the script. `lua/driver.lua` describes the format.

use std::{collections::HashMap, ops::Range, time::Duration};

use super::{Entry, Server, named::NamedWindow};
use limiter::domain::{Algorithm, Charge, Group, Hit, Timestamp};

/// Bytes of a kind without its hits, and of each of those without the bounds of a calendar.
const KIND_BYTES: usize = 19;
const HIT_BYTES: usize = 42;

/// Bytes of a group without its counters, and of each of those.
const GROUP_BYTES: usize = 12;
const COUNTER_BYTES: usize = 4;

/// The keys and the arguments of one `EVALSHA sha1 numkeys key… kinds groups`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    keys: Names,
    /// ARGV\[1\], binary: the kinds of entries.
    pub kinds: Vec<u8>,
    /// ARGV\[2\], binary: the kind of each entry, and its counters.
    pub groups: Vec<u8>,
}

impl Call {
    /// A call of no entries, whose reply holds only the time.
    #[must_use]
    pub fn of_nothing() -> Self {
        Self { keys: Names::default(), kinds: Vec::new(), groups: Vec::new() }
    }

    /// The call for these entries, which must arrive while what is known of the server still holds: the script reads
    /// the server's clock, and refuses hits whose window or calendar was sent for another time. `jitter` is called once
    /// for each entry, with the shortest window by which one of its counters is named, for how much longer than needed
    /// its counters live.
    pub fn new(entries: &[Entry], server: &Server, mut jitter: impl FnMut(Option<Duration>) -> Duration) -> Self {
        let counters: usize = entries.iter().map(|entry| entry.counters().len()).sum();
        let mut keys = Keys::with_capacity(counters);
        let mut kinds = Kinds::with_room();
        let mut groups = Vec::with_capacity(entries.len() * GROUP_BYTES + counters * COUNTER_BYTES);
        for entry in entries {
            let group = entry.group();
            let shortest =
                group.hits.iter().filter_map(|hit| NamedWindow::of(group, hit, server)).map(NamedWindow::length).min();
            // 49 days at most
            let jitter = u32::try_from(jitter(shortest).as_millis()).unwrap_or(u32::MAX);
            for number in [kinds.number_of(entry, server), entry.times(), jitter] {
                groups.extend(number.to_le_bytes());
            }
            for hit in entry.counters().first_hits() {
                groups.extend(keys.number_of(group, &group.hits[hit], server).to_le_bytes());
            }
        }
        Self { keys: keys.names, kinds: kinds.encoded, groups }
    }

    /// KEYS: the counters of all entries, each once.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.keys.iter()
    }
}

/// The names of counters, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
struct Names {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Names {
    fn push(&mut self, name: impl FnOnce(&mut Vec<u8>)) {
        name(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| &self.bytes[std::mem::replace(&mut start, *end)..*end])
    }
}

/// Distinct keys, numbered from 1 in the order of their appearance.
struct Keys<'a> {
    names: Names,
    /// By key, and by whether it is of a named window.
    numbers: HashMap<(&'a [u8], bool), u32, foldhash::fast::RandomState>,
}

impl<'a> Keys<'a> {
    fn with_capacity(keys: usize) -> Self {
        let numbers = HashMap::with_capacity_and_hasher(keys, foldhash::fast::RandomState::default());
        Self { names: Names { bytes: Vec::with_capacity(64 * keys), ends: Vec::with_capacity(keys) }, numbers }
    }

    fn number_of(&mut self, group: &Group, hit: &'a Hit, server: &Server) -> u32 {
        let (key, window) = (&hit.key, NamedWindow::of(group, hit, server));
        let next = self.names.ends.len() as u32 + 1;
        let number = *self.numbers.entry((key.as_bytes(), window.is_some())).or_insert(next);
        if number == next {
            self.names.push(|into| match window {
                Some(window) => window.push_name(key, into),
                None => into.extend_from_slice(key.as_bytes()),
            });
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

    fn number_of(&mut self, entry: &'a Entry, server: &Server) -> u32 {
        if let Some((last, number)) = self.last
            && last.is_alike(entry)
        {
            return number;
        }
        let number = self.encode(entry, server);
        self.last = Some((entry, number));
        number
    }

    /// Encodes the kind of an entry, unless it is known.
    fn encode(&mut self, entry: &Entry, server: &Server) -> u32 {
        let end = self.encoded.len();
        push_kind(&mut self.encoded, entry, server);
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

fn push_kind(into: &mut Vec<u8>, entry: &Entry, server: &Server) {
    let group = entry.group();
    into.extend([group.atomic, group.quota_passed, group.refused].map(u8::from));
    for count in [group.hits.len() as u32, entry.counters().len() as u32] {
        into.extend(count.to_le_bytes());
    }
    into.extend(group.now.map_or(-1.0, Timestamp::as_f64).to_le_bytes());
    let mut before: Option<&Hit> = None;
    for (hit, counter) in group.hits.iter().zip(entry.counters().of_hits()) {
        let joins = before.is_some_and(|before| before.descriptor == hit.descriptor);
        let (window, now) = (NamedWindow::of(group, hit, server), group.now.unwrap_or(server.time.now));
        push_hit(into, hit, counter as u32 + 1, joins, window, now);
        before = Some(hit);
    }
}

fn push_hit(into: &mut Vec<u8>, hit: &Hit, counter: u32, joins: bool, named: Option<NamedWindow>, now: Timestamp) {
    let Hit { limit, charge, shadow, quota, .. } = hit;
    let calendar = limit.window().calendar();
    let algorithm = match limit.algorithm() {
        Algorithm::FixedWindow if calendar.is_some() => 4,
        Algorithm::FixedWindow => named.map_or(1, |window| if window.may_import() { 6 } else { 5 }),
        Algorithm::SlidingWindow => 2,
        Algorithm::TokenBucket => 3,
    };
    let gives = matches!(charge, Charge::Give(_));
    into.extend(counter.to_le_bytes());
    into.push(algorithm);
    into.extend([joins, *shadow, *quota, gives, limit.count_denied()].map(u8::from));
    let [amount, requests, burst] = [charge.amount(), limit.requests(), limit.burst()].map(|n| n as f64);
    let burst = named.map_or(burst, NamedWindow::start);
    let bounds = calendar.into_iter().flat_map(|calendar| calendar.around(now));
    for number in [amount, requests, burst, limit.window().micros()].into_iter().chain(bounds) {
        into.extend(number.to_le_bytes());
    }
}
