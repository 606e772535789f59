//! Latencies: a histogram that any thread can add to, without a lock.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// Upper bounds of the buckets: those of the reference from 5 ms up, and finer ones below.
pub const LATENCY_BOUNDS: [Duration; 17] = [
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_micros(1_000),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_millis(1_000),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

const BUCKETS: usize = LATENCY_BOUNDS.len() + 1;

/// [`LATENCY_BOUNDS`] as the numbers that a duration is compared with: every call is recorded, some of them twice.
const BOUNDS_NANOS: [u64; LATENCY_BOUNDS.len()] = {
    let mut nanos = [0; LATENCY_BOUNDS.len()];
    let mut bound = 0;
    while bound < nanos.len() {
        nanos[bound] = LATENCY_BOUNDS[bound].as_nanos() as u64;
        bound += 1;
    }
    nanos
};

/// A histogram of durations.
#[derive(Debug, Default)]
pub struct Latencies {
    buckets: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

impl Latencies {
    /// Counts one duration.
    #[inline]
    pub fn record(&self, elapsed: Duration) {
        // 584 years at most
        let nanos = elapsed.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(elapsed.subsec_nanos()));
        let bucket = BOUNDS_NANOS.partition_point(|bound| *bound < nanos);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.nanos.fetch_add(nanos, Relaxed);
    }

    /// Counts the time from now until the returned value is dropped.
    #[inline]
    pub fn start(&self) -> Timed<'_> {
        Timed { latencies: self, since: Instant::now() }
    }

    /// The present contents.
    pub fn totals(&self) -> LatencyTotals {
        let mut totals = LatencyTotals::default();
        totals.add(self);
        totals
    }
}

/// A duration being measured; it ends when this is dropped.
#[derive(Debug)]
#[must_use = "the time ends when this is dropped"]
pub struct Timed<'a> {
    latencies: &'a Latencies,
    since: Instant,
}

impl Drop for Timed<'_> {
    #[inline]
    fn drop(&mut self) {
        self.latencies.record(self.since.elapsed());
    }
}

/// The sum of histograms at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatencyTotals {
    /// By bucket of [`LATENCY_BOUNDS`], each duration in exactly one; the last bucket has those above every bound.
    pub buckets: [u64; BUCKETS],
    /// The sum of all durations, in nanoseconds.
    pub nanos: u64,
}

impl LatencyTotals {
    /// Adds the contents of a histogram.
    pub fn add(&mut self, latencies: &Latencies) {
        for (sum, bucket) in self.buckets.iter_mut().zip(&latencies.buckets) {
            *sum += bucket.load(Relaxed);
        }
        self.nanos += latencies.nanos.load(Relaxed);
    }

    /// The number of durations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive() {
        let latencies = Latencies::default();
        let (first, last) = (LATENCY_BOUNDS[0], LATENCY_BOUNDS[16]);
        for elapsed in [Duration::ZERO, first, first + Duration::from_nanos(1), last, Duration::MAX] {
            latencies.record(elapsed);
        }
        let buckets = latencies.totals().buckets;
        assert_eq!((buckets[0], buckets[1], buckets[16], buckets[17]), (2, 1, 1, 1));
    }

    #[test]
    fn a_duration_is_counted_when_its_guard_is_dropped() {
        let latencies = Latencies::default();
        let timed = latencies.start();
        assert_eq!(latencies.totals().count(), 0);
        drop(timed);
        assert_eq!(latencies.totals().count(), 1);
    }
}
