//! The results of a run: counts, latencies and failures, of one thread and then of all.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

use crate::request::{Outcome, Trouble};

/// The longest latency that can be recorded; longer ones are recorded as this.
const MAX_LATENCY: Duration = Duration::from_secs(3600);
/// Significant digits of a latency.
const DIGITS: u8 = 3;

/// The requests of the measured time. Each is counted in one of `ok`, `over_limit`, `unknown` and `troubles`.
#[derive(Clone, Debug)]
pub struct Tally {
    /// For answered requests, the time from when they were due to their response, in nanoseconds.
    pub latencies: Histogram<u64>,
    /// How late the generator sent requests that did not have to wait, in nanoseconds.
    pub lateness: Histogram<u64>,
    /// Requests sent.
    pub made: u64,
    /// Answered OK.
    pub ok: u64,
    /// Answered OVER_LIMIT.
    pub over_limit: u64,
    /// Answered with another code.
    pub unknown: u64,
    /// Without a valid response, by reason.
    pub troubles: BTreeMap<Trouble, Occurred>,
    /// Requests sent before the measured time, as warm-up.
    pub warm_up: u64,
    /// Responses received in the measured time, whenever their requests were sent.
    pub arrived: u64,
    /// When the last of these was received.
    pub last: Option<Instant>,
    /// What happened to connections.
    pub connections: Connections,
}

/// How often a failure occurred, and the first message about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Occurred {
    /// The number of occurrences.
    pub count: u64,
    /// The first message that was not empty.
    pub message: String,
}

/// What happened to connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Connections opened, including re-established ones.
    pub opened: u64,
    /// Connections that the server ended with GOAWAY.
    pub retired: u64,
    /// Connections that broke.
    pub lost: u64,
    /// Failed attempts to re-establish a connection.
    pub refused: u64,
    /// The smallest number of concurrent streams that the server allowed on a connection.
    pub max_streams: Option<usize>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            latencies: histogram(),
            lateness: histogram(),
            made: 0,
            ok: 0,
            over_limit: 0,
            unknown: 0,
            troubles: BTreeMap::new(),
            warm_up: 0,
            arrived: 0,
            last: None,
            connections: Connections::default(),
        }
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(nanos(MAX_LATENCY), DIGITS).expect("an hour in nanoseconds fits")
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A `grpc-message` without its percent-encoding.
fn decoded(message: &str) -> String {
    let mut bytes = Vec::with_capacity(message.len());
    let mut rest = message.as_bytes();
    while let Some((&first, others)) = rest.split_first() {
        let coded = others.get(..2).filter(|_| first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match coded.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => (bytes.push(byte), rest = &others[2..]),
            None => (bytes.push(first), rest = others),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Tally {
    /// Counts a measured request that ended.
    pub(crate) fn ended(&mut self, outcome: Outcome, took: Duration, message: &str) {
        match outcome {
            Outcome::Ok => self.ok += 1,
            Outcome::OverLimit => self.over_limit += 1,
            Outcome::Unknown => self.unknown += 1,
            Outcome::Failed(trouble) => return self.failed(trouble, message),
        }
        self.latencies.saturating_record(nanos(took));
    }

    /// Counts a measured request that failed.
    pub(crate) fn failed(&mut self, trouble: Trouble, message: &str) {
        let occurred = self.troubles.entry(trouble).or_default();
        occurred.count += 1;
        if occurred.message.is_empty() {
            occurred.message = decoded(message);
        }
    }

    /// Counts a response received in the measured time.
    pub(crate) fn arrived(&mut self, at: Instant) {
        self.arrived += 1;
        self.last = self.last.max(Some(at));
    }

    /// Records how late a request was sent that could have been sent when it was due.
    pub(crate) fn late(&mut self, by: Duration) {
        self.lateness.saturating_record(nanos(by));
    }

    /// The number of requests that were answered.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.ok + self.over_limit + self.unknown
    }

    /// The number of requests that were not answered.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.troubles.values().map(|occurred| occurred.count).sum()
    }

    /// Adds the tally of another thread.
    pub fn add(&mut self, other: &Self) {
        for (mine, others) in [(&mut self.latencies, &other.latencies), (&mut self.lateness, &other.lateness)] {
            mine.add(others).expect("all have the same bounds");
        }
        self.made += other.made;
        self.ok += other.ok;
        self.over_limit += other.over_limit;
        self.unknown += other.unknown;
        self.warm_up += other.warm_up;
        self.arrived += other.arrived;
        self.last = self.last.max(other.last);
        for (trouble, Occurred { count, message }) in &other.troubles {
            let mine = self.troubles.entry(*trouble).or_default();
            mine.count += count;
            if mine.message.is_empty() {
                mine.message.clone_from(message);
            }
        }
        let (mine, others) = (&mut self.connections, other.connections);
        mine.opened += others.opened;
        mine.retired += others.retired;
        mine.lost += others.lost;
        mine.refused += others.refused;
        mine.max_streams = mine.max_streams.into_iter().chain(others.max_streams).min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_counted_once_and_sums_add_up() {
        let mut one = Tally::default();
        let mut other = Tally::default();
        let end = |tally: &mut Tally, outcome, message| {
            tally.made += 1;
            tally.ended(outcome, Duration::from_millis(1), message);
        };
        end(&mut one, Outcome::Ok, "");
        end(&mut one, Outcome::Failed(Trouble::Status(14)), "");
        end(&mut other, Outcome::OverLimit, "");
        end(&mut other, Outcome::Unknown, "");
        end(&mut other, Outcome::Failed(Trouble::Status(14)), "no redis");
        end(&mut other, Outcome::Failed(Trouble::TimedOut), "");
        one.connections.max_streams = Some(100);
        other.connections.max_streams = Some(50);
        one.add(&other);
        assert_eq!((one.made, one.answered(), one.errors()), (6, 3, 3));
        assert_eq!((one.ok, one.over_limit, one.unknown), (1, 1, 1));
        assert_eq!(one.troubles[&Trouble::Status(14)], Occurred { count: 2, message: "no redis".to_owned() });
        assert_eq!(one.connections.max_streams, Some(50));
        assert_eq!(one.latencies.len(), 3, "a failed request has no latency");
        let median = one.latencies.value_at_quantile(0.5);
        assert!((999_000..1_001_000).contains(&median), "{median}");
    }

    #[test]
    fn messages_are_decoded() {
        for (sent, meant) in [("no%20redis", "no redis"), ("100%", "100%"), ("%e2%82%acx%zz%2", "€x%zz%2"), ("", "")]
        {
            assert_eq!(decoded(sent), meant);
        }
    }

    #[test]
    fn a_latency_above_the_maximum_is_recorded_as_the_maximum() {
        let mut tally = Tally::default();
        tally.ended(Outcome::Ok, Duration::MAX, "");
        assert!(tally.latencies.max() >= nanos(MAX_LATENCY));
    }
}
