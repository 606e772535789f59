//! The commands of a service without a script, for each counter of a decision: `INCRBY` and `EXPIRE` on a key that is
//! named after its window, all of a decision in one round trip, as envoyproxy/ratelimit sends them.

use std::{
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use envoy_types::pb::envoy::service::ratelimit::v3::RateLimitRequest;
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
    /// `SET` with `NX` and `PX`, and `INCRBY`: as Tollgate counts a fixed window that is alone.
    SetIncrby,
}

impl Reference {
    /// Calls of `decisions`, with as many counters each. The counters of a decision have the names of its descriptors.
    pub(crate) fn new(keys: Keys, seed: u64, decisions: usize, counters: usize, commands: Commands) -> Self {
        let random = Rng::with_seed(seed);
        Self { picker: keys.picker(), digits: keys.digits(), random, decisions, counters, commands }
    }
}

/// The start of the current window.
fn window() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    now - now % WINDOW_SECONDS
}

impl Commands {
    fn push(self, batch: &mut Batch, key: &str) {
        let mut push = |words: &[&str]| batch.push(key.as_bytes(), words);
        match self {
            Self::IncrbyExpire => {
                push(&["INCRBY", key, "1"]);
                push(&["EXPIRE", key, &WINDOW_SECONDS.to_string()]);
            }
            Self::SetIncrby => {
                push(&["SET", key, "0", "PX", &(WINDOW_SECONDS * 1000).to_string(), "NX"]);
                push(&["INCRBY", key, "1"]);
            }
        }
    }
}

/// Adds `INCRBY` and `EXPIRE` for each descriptor of a request.
pub(crate) fn count(batch: &mut Batch, request: &RateLimitRequest) {
    let window = window();
    for descriptor in &request.descriptors {
        let mut key = format!("{}_", request.domain);
        for entry in &descriptor.entries {
            let _ = write!(key, "{}_{}_", entry.key, entry.value);
        }
        let _ = write!(key, "{window}");
        Commands::IncrbyExpire.push(batch, &key);
    }
}

impl Source for Reference {
    fn next(&mut self, batch: &mut Batch) {
        let (window, digits) = (window(), self.digits);
        for _ in 0..self.decisions {
            for counter in 1..=self.counters {
                let number = self.picker.pick(&mut self.random);
                let key = format!("bench_fixed_window{counter}_user-{number:0digits$}_{window}");
                self.commands.push(batch, &key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::extensions::common::ratelimit::v3::{
        RateLimitDescriptor, rate_limit_descriptor::Entry,
    };

    use super::*;

    fn keys(batch: &Batch) -> Vec<String> {
        let text = String::from_utf8(batch.bytes().concat()).expect("text");
        text.split("\r\n").filter(|word| word.starts_with("bench_")).map(str::to_owned).collect()
    }

    #[test]
    fn clients_and_services_name_keys_alike() {
        let mut client = Reference::new("uniform:1".parse().expect("keys"), 1, 1, 2, Commands::IncrbyExpire);
        let mut from_client = Batch::of(3);
        client.next(&mut from_client);
        let descriptor = |key: &str| RateLimitDescriptor {
            entries: vec![Entry { key: key.to_owned(), value: "user-0".to_owned() }],
            ..RateLimitDescriptor::default()
        };
        let descriptors = vec![descriptor("fixed_window1"), descriptor("fixed_window2")];
        let request = RateLimitRequest { domain: "bench".to_owned(), descriptors, ..RateLimitRequest::default() };
        let mut from_service = Batch::of(3);
        count(&mut from_service, &request);
        let all = keys(&from_client);
        assert_eq!(all.len(), 4, "two commands for each of two counters: {all:?}");
        assert!(
            all.iter().any(|key| key.starts_with("bench_fixed_window2_user-0_1") && key.ends_with("00")),
            "{all:?}"
        );
        let without_window = |keys: &[String]| {
            keys.iter().map(|key| key.rsplit_once('_').expect("a window").0.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(without_window(&all), without_window(&keys(&from_service)));
    }
}
