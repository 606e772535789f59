//! Chooses the worker for the next connection: the one with the fewest connections; among equals the least busy; among
//! equally busy ones the next in turn.

use std::time::{Duration, Instant};

/// The shortest interval over which the workers' load is measured.
const SPAN: Duration = Duration::from_millis(500);

/// Chooses among workers.
#[derive(Debug)]
pub(super) struct Balancer {
    /// The worker whose turn is next.
    turn: usize,
    measured_at: Instant,
    /// By worker: the busy time at `measured_at`.
    busy_then: Vec<Duration>,
    /// By worker: the busy part of the last measured interval, in percent.
    load: Vec<u8>,
}

impl Balancer {
    pub(super) fn new(workers: usize, now: Instant) -> Self {
        Self { turn: 0, measured_at: now, busy_then: vec![Duration::ZERO; workers], load: vec![0; workers] }
    }

    /// The worker for the next connection. `open` is the number of open connections of each worker, and `busy` returns
    /// how long a worker has been busy since it started.
    pub(super) fn choose(&mut self, open: &[usize], busy: impl Fn(usize) -> Duration, now: Instant) -> usize {
        self.measure(busy, now);
        let workers = open.len();
        let chosen = (0..workers)
            .map(|step| (self.turn + step) % workers)
            .min_by_key(|&worker| (open[worker], self.load[worker]))
            .unwrap_or(0);
        self.turn = chosen + 1;
        chosen
    }

    /// Measures the load again if the last measurement is at least [`SPAN`] old.
    fn measure(&mut self, busy: impl Fn(usize) -> Duration, now: Instant) {
        let span = now.saturating_duration_since(self.measured_at);
        if span < SPAN {
            return;
        }
        for (worker, (then, load)) in self.busy_then.iter_mut().zip(&mut self.load).enumerate() {
            let until_now = busy(worker);
            let percent = 100 * until_now.saturating_sub(*then).as_micros() / span.as_micros().max(1);
            *load = u8::try_from(percent.min(100)).unwrap_or(100);
            *then = until_now;
        }
        self.measured_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewest_connections_first() {
        let now = Instant::now();
        let mut balancer = Balancer::new(3, now);
        assert_eq!(balancer.choose(&[2, 1, 2], |_| Duration::ZERO, now), 1);
        let busy = |worker| [Duration::ZERO, SPAN, Duration::ZERO][worker];
        assert_eq!(balancer.choose(&[2, 1, 2], busy, now + SPAN), 1, "however busy");
    }

    #[test]
    fn then_the_least_busy() {
        let now = Instant::now();
        let mut balancer = Balancer::new(3, now);
        let busy = |worker| [SPAN, SPAN / 2, SPAN][worker];
        assert_eq!(balancer.choose(&[1, 1, 1], busy, now + SPAN), 1);
        let later = |worker| [SPAN, SPAN, SPAN][worker];
        assert_eq!(balancer.choose(&[1, 1, 1], later, now + 2 * SPAN), 2, "only the last interval counts");
    }

    #[test]
    fn then_in_turn() {
        let now = Instant::now();
        let mut balancer = Balancer::new(3, now);
        let turns: Vec<_> = (0..6).map(|_| balancer.choose(&[0, 0, 0], |_| Duration::ZERO, now)).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
    }
}
