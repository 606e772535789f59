//! The commands of a service without a script, for each counter of a decision: `INCRBY` and `EXPIRE` on a key that is
//! named after its window, all of a decision in one round trip, as envoyproxy/ratelimit sends them.

use std::time::{SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use load::{Keys, Picker};

use super::{Batch, Source};

/// The window: an hour.
const WINDOW_SECONDS: u64 = 3600;

/// Decisions by plain commands.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    picker: Picker,
    digits: usize,
    random: Rng,
    decisions: usize,
    counters: usize,
    commands: Commands,
}

/// How a decision is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commands {
    /// `INCRBY` and `EXPIRE`.
    IncrbyExpire,
    /// `SET` with `NX` and `PX`, `INCRBY` and `PTTL`.
    SetIncrbyPttl,
}

impl Reference {
    /// Calls of `decisions`, with as many counters each. The counters of a decision have the names of its descriptors.
    pub(crate) fn new(keys: Keys, seed: u64, decisions: usize, counters: usize, commands: Commands) -> Self {
        let random = Rng::with_seed(seed);
        Self { picker: keys.picker(), digits: keys.digits(), random, decisions, counters, commands }
    }

    fn key(&mut self, counter: usize, now: u64) -> String {
        let (number, digits) = (self.picker.pick(&mut self.random), self.digits);
        let window = now - now % WINDOW_SECONDS;
        format!("bench_fixed_window{counter}_user-{number:0digits$}_{window}")
    }
}

impl Source for Reference {
    fn next(&mut self, batch: &mut Batch) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        for _ in 0..self.decisions {
            for counter in 1..=self.counters {
                let key = self.key(counter, now);
                let mut push = |words: &[&str]| batch.push(key.as_bytes(), words);
                match self.commands {
                    Commands::IncrbyExpire => {
                        push(&["INCRBY", &key, "1"]);
                        push(&["EXPIRE", &key, &WINDOW_SECONDS.to_string()]);
                    }
                    Commands::SetIncrbyPttl => {
                        push(&["SET", &key, "0", "PX", &(WINDOW_SECONDS * 1000).to_string(), "NX"]);
                        push(&["INCRBY", &key, "1"]);
                        push(&["PTTL", &key]);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_as_those_of_the_reference() {
        let mut one = Reference::new("uniform:1000".parse().expect("keys"), 1, 1, 1, Commands::IncrbyExpire);
        let key = one.key(2, 1_700_000_123);
        let number = key.strip_prefix("bench_fixed_window2_user-").and_then(|key| key.strip_suffix("_1699999200"));
        assert!(number.is_some_and(|number| number.len() == 3 && number.parse::<u32>().is_ok()), "{key}");
    }
}
