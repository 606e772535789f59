//! Calls of our script, encoded as the store encodes them.

use std::time::Duration;

use fastrand::Rng;
use limiter::domain::{Algorithm, Charge, CounterKey, Group, Hit, Limit, MAX_COUNT, Unit, Window};
use load::{Keys, Picker};
use redis::{Call, Entry, Server};

use super::shape::Shape;
use crate::redis::{Batch, Kind, Source};

/// In a cluster, the hash tags of calls with several keys: all keys of a call are of one slot.
const TAGS: u32 = 6;

/// Calls of one shape, on limits of one algorithm.
#[derive(Clone, Debug)]
pub(super) struct ScriptCalls {
    sha1: String,
    shape: Shape,
    /// Whether the keys of a call must be of one slot.
    has_slots: bool,
    limit: Limit,
    picker: Picker,
    random: Rng,
}

impl ScriptCalls {
    pub(super) fn new(sha1: &str, shape: Shape, redis: Kind, algorithm: Algorithm, keys: Keys, seed: u64) -> Self {
        let limit = Limit::new(algorithm, MAX_COUNT, Window::from(Unit::Hour), None, None);
        Self {
            sha1: sha1.to_owned(),
            shape,
            has_slots: redis == Kind::Cluster && shape.decisions.get() * shape.counters.get() > 1,
            limit: limit.expect("every algorithm has hours"),
            picker: keys.picker(),
            random: Rng::with_seed(seed),
        }
    }

    /// The decisions of the next call. Equal ones are merged, as in the store.
    fn entries(&mut self) -> Vec<Entry> {
        let tag = self.has_slots.then(|| self.random.u32(..TAGS));
        let numbers = (0..self.shape.decisions.get()).map(|_| self.picker.pick(&mut self.random));
        let mut numbers: Vec<u32> = numbers.collect();
        numbers.sort_unstable();
        let mut entries: Vec<Entry> = Vec::new();
        for number in numbers {
            let entry = Entry::new(Group::new((0..self.shape.counters.get()).map(|nth| self.hit(tag, number, nth))));
            match entries.last_mut() {
                Some(last) if last.equals(&entry) => last.again(),
                _ => entries.push(entry),
            }
        }
        entries
    }

    fn hit(&self, tag: Option<u32>, number: u32, nth: usize) -> Hit {
        let key = match tag {
            Some(tag) => format!("bench:{{d|tag={tag}}}user={number:06}|{nth}"),
            None => format!("bench:{{d|user={number:06}|{nth}}}f3600"),
        };
        let key = CounterKey::from_bytes(key.as_bytes());
        let mut hit = Hit::new(key, self.limit, Charge::Take(1));
        hit.descriptor = nth as u32;
        hit
    }
}

/// A server with the clock of this machine. The counters are in the format that every text of the script knows.
fn server() -> Server {
    Server { names_windows: false, ..Server::unknown() }
}

impl Source for ScriptCalls {
    fn next(&mut self, batch: &mut Batch) {
        let entries = self.entries();
        let call = Call::new(&entries, &server(), |_| Duration::ZERO);
        let keys = call.keys().len().to_string();
        let mut words: Vec<&[u8]> = vec![b"EVALSHA", self.sha1.as_bytes(), keys.as_bytes()];
        words.extend(call.keys());
        words.extend([call.kinds.as_slice(), call.groups.as_slice()]);
        batch.push(words[3], &words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(shape: &str, keys: &str, redis: Kind) -> ScriptCalls {
        let (shape, keys) = (shape.parse().expect("a shape"), keys.parse().expect("keys"));
        ScriptCalls::new("sha", shape, redis, Algorithm::TokenBucket, keys, 1)
    }

    #[test]
    fn calls_have_the_requested_number_of_decisions() {
        for (keys, distinct) in [("hot", 1..=1), ("uniform:1000000", 60..=64)] {
            let entries = calls("64", keys, Kind::Single).entries();
            assert_eq!(entries.iter().map(Entry::times).sum::<u32>(), 64);
            assert!(distinct.contains(&entries.len()), "{keys}: {}", entries.len());
        }
        let entries = calls("1x4", "uniform:1000", Kind::Single).entries();
        assert_eq!((entries.len(), entries[0].group().hits.len()), (1, 4));
    }

    #[test]
    fn in_a_cluster_the_keys_of_a_call_are_of_one_slot() {
        let mut calls = calls("8x2", "uniform:1000", Kind::Cluster);
        for _ in 0..100 {
            let entries = calls.entries();
            let keys = entries.iter().flat_map(|entry| &entry.group().hits).map(|hit| hit.key.as_bytes());
            let tags: std::collections::BTreeSet<_> = keys.map(|key| key.split(|byte| *byte == b'}').next()).collect();
            assert_eq!(tags.len(), 1);
        }
    }
}
