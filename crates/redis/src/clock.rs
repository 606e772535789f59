//! A server's clock, as the times in its replies show it, by Cristian's algorithm: the server read its clock between the
//! sending of the call and the arrival of the reply, so the difference between its clock and ours is within an interval
//! as long as the round trip. The intervals of several replies are intersected, so one slow reply does no harm.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use limiter::domain::{Clock as _, SystemClock, Timestamp};

/// How much the two clocks may drift apart: one part in this many (500 ppm). Where they do, the latest reply decides.
const DRIFT: i64 = 2_000;

/// How long a reading counts as fresh: longer, and a clock that was set may go unnoticed.
const FRESH: Duration = Duration::from_secs(1);

/// The most uncertainty of a fresh reading, in microseconds.
const PRECISE: i64 = 1_000_000;

/// A server's clock.
#[derive(Debug)]
pub(super) struct ServerClock {
    /// The origin of our monotonic time.
    origin: Instant,
    reading: Mutex<Option<Reading>>,
}

/// Bounds of the server's time less ours, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    least: i64,
    most: i64,
    /// When the last reply came, by our time.
    at: i64,
    /// The server's time at the first reply.
    first: Timestamp,
}

/// What is known of the time of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerTime {
    /// Its time, as estimated; before its first reply, the time of this machine.
    pub now: Timestamp,
    /// Its time at its first reply; [`Timestamp::MAX`] before that.
    pub since: Timestamp,
    /// Whether the estimate is precise: at most a second old, and off by less than a second.
    pub is_fresh: bool,
}

impl ServerTime {
    /// The time of this machine, for a server that has not replied.
    #[must_use]
    pub fn unknown() -> Self {
        Self { now: SystemClock.now(), since: Timestamp::MAX, is_fresh: false }
    }
}

impl ServerClock {
    pub(super) fn new() -> Self {
        Self { origin: Instant::now(), reading: Mutex::default() }
    }

    /// Takes up the time in a reply to a call that was `sent`, and whose reply was `received`, at these instants.
    pub(super) fn observe(&self, server: Timestamp, sent: Instant, received: Instant) {
        let (sent, received, server_now) = (self.micros(sent), self.micros(received), server.as_micros() as i64);
        let (mut least, mut most) = (server_now - received, server_now - sent);
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let mut first = server;
        if let Some(known) = *reading {
            first = known.first;
            let drift = (received - known.at).max(0) / DRIFT + 1;
            let (least_known, most_known) = (known.least - drift, known.most + drift);
            // disjoint: one of the clocks was set, or another server answers at this address
            if least <= most_known && least_known <= most {
                (least, most) = (least.max(least_known), most.min(most_known));
            }
        }
        *reading = Some(Reading { least, most, at: received, first });
    }

    /// Takes up the time with which a reply of the script begins, to a call that was `sent` then.
    pub(super) fn observe_reply(&self, reply: &[u8], sent: Instant) {
        let Some(time) = reply.first_chunk().map(|bytes| f64::from_le_bytes(*bytes)) else { return };
        if (0.0..=Timestamp::MAX.as_f64()).contains(&time) {
            self.observe(Timestamp::from_micros(time as u64), sent, Instant::now());
        }
    }

    /// What is known of the server's time at the instant `at`.
    pub(super) fn at(&self, at: Instant) -> ServerTime {
        let at = self.micros(at);
        let Some(known) = *self.reading.lock().unwrap_or_else(PoisonError::into_inner) else {
            return ServerTime::unknown();
        };
        let now = at + known.least.midpoint(known.most);
        let is_fresh = at - known.at <= FRESH.as_micros() as i64 && known.most - known.least <= PRECISE;
        ServerTime { now: Timestamp::from_micros(now.max(0) as u64), since: known.first, is_fresh }
    }

    /// Our time. One before the origin is negative.
    fn micros(&self, at: Instant) -> i64 {
        let after = at.saturating_duration_since(self.origin).as_micros() as i64;
        let before = self.origin.saturating_duration_since(at).as_micros() as i64;
        after - before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: u64 = 1_700_000_000_000_000;

    /// A clock whose server is exactly `SERVER` ahead of its origin; replies come after `way` there and `back`.
    fn observe(clock: &ServerClock, at: u64, way: u64, back: u64, offset: i64) {
        let sent = clock.origin + Duration::from_micros(at);
        let server = SERVER.saturating_add_signed(offset) + at + way;
        clock.observe(Timestamp::from_micros(server), sent, sent + Duration::from_micros(way + back));
    }

    fn error(clock: &ServerClock, at: u64) -> i64 {
        let time = clock.at(clock.origin + Duration::from_micros(at));
        time.now.as_micros() as i64 - (SERVER + at) as i64
    }

    #[test]
    fn before_the_first_reply_the_time_is_that_of_this_machine() {
        let (clock, now) = (ServerClock::new(), SystemClock.now());
        let time = clock.at(Instant::now());
        assert!(time.now >= now && time.since == Timestamp::MAX && !time.is_fresh);
    }

    #[test]
    fn a_slow_reply_does_not_spoil_what_a_quick_one_has_shown() {
        let clock = ServerClock::new();
        observe(&clock, 0, 100_000, 0, 0);
        assert_eq!(error(&clock, 100_000), 50_000, "half of the round trip");
        observe(&clock, 200_000, 100, 100, 0);
        assert!(error(&clock, 200_200).abs() <= 100);
        observe(&clock, 300_000, 0, 400_000, 0);
        assert!(error(&clock, 700_000).abs() <= 400, "{}", error(&clock, 700_000));
    }

    #[test]
    fn a_clock_that_was_set_is_taken_up_with_the_next_reply() {
        let clock = ServerClock::new();
        observe(&clock, 0, 100, 100, 0);
        for offset in [-5_000_000, 2_000_000, 1_000] {
            observe(&clock, 1_000, 100, 100, offset);
            assert!((error(&clock, 1_200) - offset).abs() <= 101, "{offset}: {}", error(&clock, 1_200));
        }
    }

    #[test]
    fn a_reading_is_fresh_for_a_second_and_remembers_the_first() {
        let clock = ServerClock::new();
        observe(&clock, 0, 0, 10, 0);
        let at = |micros| clock.at(clock.origin + Duration::from_micros(micros));
        assert!(at(1_000_010).is_fresh && !at(1_000_011).is_fresh);
        observe(&clock, 3_000_000, 0, 1_000_000, 9_000_000);
        assert!(at(4_000_000).is_fresh, "off by half a second at most");
        observe(&clock, 5_000_000, 0, 1_000_001, 99_000_000);
        assert!(!at(6_000_001).is_fresh, "a round trip of more than a second");
        assert_eq!(at(6_000_001).since.as_micros(), SERVER);
    }
}
