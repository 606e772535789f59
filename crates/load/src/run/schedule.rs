//! When the requests of an open loop are due: at a fixed rate from the start, however earlier requests ended.

use std::{num::NonZeroU32, time::Duration};

use fastrand::Rng;

/// One connection's part of the schedule: every n-th request.
///
/// Times are relative to the start of the run. They are computed from the request's number alone, so rounding does not
/// accumulate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    rate: NonZeroU32,
    /// The seed of the instants within their intervals; `None`: each request is due at the start of its interval.
    scattered: Option<u64>,
    connections: u64,
    /// The number of the next request, counted over all connections.
    next: u64,
    /// The number of requests on all connections.
    count: u64,
}

impl Schedule {
    /// The part of the `nth` of `connections`, of `count` requests at `rate` per second.
    #[must_use]
    pub fn new(rate: NonZeroU32, nth: usize, connections: usize, count: u64) -> Self {
        Self { rate, scattered: None, connections: connections as u64, next: nth as u64, count }
    }

    /// The same, with each request at a random instant of its interval. Schedules with one seed agree about them.
    #[must_use]
    pub fn scattered(self, seed: u64) -> Self {
        Self { scattered: Some(seed), ..self }
    }

    /// The number of requests that are due in this time.
    #[must_use]
    pub fn count_in(rate: NonZeroU32, time: Duration) -> u64 {
        let nanos = time.as_nanos() * u128::from(rate.get());
        u64::try_from(nanos.div_ceil(NANOS)).unwrap_or(u64::MAX)
    }

    /// When the next request is due; `None` if there is none left.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        let interval = NANOS / u128::from(self.rate.get());
        // derived from the request's number, so that the connections need not share a generator
        let draw = |seed: u64| Rng::with_seed(seed.wrapping_add(self.next.rotate_left(32))).f64();
        let after = self.scattered.map_or(0, |seed| (draw(seed) * interval as f64) as u128);
        let nanos = u128::from(self.next) * NANOS / u128::from(self.rate.get()) + after;
        (self.next < self.count).then(|| Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// Advances to the next request.
    pub fn advance(&mut self) {
        self.next += self.connections;
    }
}

const NANOS: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(rate: u32) -> NonZeroU32 {
        NonZeroU32::new(rate).expect("not zero")
    }

    fn all(mut schedule: Schedule) -> Vec<Duration> {
        std::iter::from_fn(|| schedule.due().inspect(|_| schedule.advance())).collect()
    }

    #[test]
    fn connections_take_turns_at_equal_intervals() {
        let due = |nth| all(Schedule::new(rate(1000), nth, 3, 7)).iter().map(Duration::as_micros).collect::<Vec<_>>();
        assert_eq!([due(0), due(1), due(2)], [vec![0, 3000, 6000], vec![1000, 4000], vec![2000, 5000]]);
    }

    #[test]
    fn a_rate_that_does_not_divide_a_second_does_not_drift() {
        let day = Duration::from_secs(24 * 60 * 60);
        let count = Schedule::count_in(rate(300_007), day);
        let schedule = Schedule { next: count - 1, ..Schedule::new(rate(300_007), 0, 1, count) };
        let last = schedule.due().expect("one is left");
        assert!(last < day && day - last < Duration::from_micros(4), "{last:?}");
    }

    #[test]
    fn scattered_requests_are_anywhere_in_their_intervals() {
        let connections = 4;
        let of = |nth| all(Schedule::new(rate(1000), nth, connections, 4000).scattered(7));
        let mut first_halves = 0;
        for nth in 0..connections {
            for (round, due) in of(nth).into_iter().enumerate() {
                let number = (round * connections + nth) as u128;
                assert_eq!(due.as_micros() / 1000, number, "{due:?} is not in its interval");
                first_halves += u32::from(due.as_micros() % 1000 < 500);
            }
        }
        assert!((1800..2200).contains(&first_halves), "{first_halves} of 4000");
        assert_eq!(of(1), of(1));
    }

    #[test]
    fn a_time_includes_the_requests_due_before_its_end() {
        for (per_second, millis, count) in [(1000, 1000, 1000), (3, 1000, 3), (3, 1001, 4), (10, 0, 0), (1, 1, 1)] {
            let time = Duration::from_millis(millis);
            assert_eq!(Schedule::count_in(rate(per_second), time), count);
            let due = all(Schedule::new(rate(per_second), 0, 1, count));
            assert_eq!(due.len() as u64, count);
            assert!(due.iter().all(|due| *due < time));
        }
    }
}
