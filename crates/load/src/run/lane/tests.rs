//! Tests a lane with a server that is a function of time. The clock is a number, so no test waits.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

use super::*;
use crate::request::{Keys, Response};

const SECOND: Duration = Duration::from_secs(1);

fn config(pace: Pace, until: Until, streams: usize) -> Config {
    let one = NonZeroUsize::MIN;
    Config {
        connections: one,
        streams: NonZeroUsize::new(streams).expect("not zero"),
        threads: one,
        pace,
        until,
        warm_up: Duration::ZERO,
        timeout: 10 * SECOND,
        seed: 1,
    }
}

fn rate(rate: u32) -> Pace {
    Pace::Rate(NonZeroU32::new(rate).expect("not zero"))
}

fn sent(count: u64) -> Until {
    Until::Sent(NonZeroU64::new(count).expect("not zero"))
}

/// A connection whose calls wait for their responses.
#[derive(Default)]
struct Waiting {
    calls: Vec<(Ticket, Instant)>,
    retired: bool,
}

impl Calls for Waiting {
    fn in_flight(&self) -> usize {
        self.calls.len()
    }

    fn has_room(&mut self) -> bool {
        true
    }

    fn call(&mut self, ticket: Ticket, message: Bytes, deadline: Instant) -> bool {
        assert!(!message.is_empty());
        if !self.retired {
            self.calls.push((ticket, deadline));
        }
        !self.retired
    }
}

/// A RateLimitResponse with the overall code OK, in a gRPC frame.
fn ok() -> Reply {
    let body = Bytes::from_static(&[0, 0, 0, 0, 2, 8, 1]);
    Reply::Response(Response { http_status: 200, grpc_status: Some(0), message: String::new(), body })
}

/// A lane with its connection and its tally.
struct Run {
    shared: Arc<Shared>,
    lane: Lane,
    waiting: Waiting,
    tally: Tally,
    start: Instant,
}

impl Run {
    fn new(config: Config) -> Self {
        let descriptor = [("k", "v")].into_iter().collect();
        let requests = Requests::new("d", &[descriptor], NonZeroUsize::MIN, Keys::Hot, None).expect("requests");
        let shared = Arc::new(Shared::new(config, requests, "host:1".to_owned()));
        let start = Instant::now();
        let lane = Lane::new(&shared, Window::new(&config, start), 0);
        Self { shared, lane, waiting: Waiting::default(), tally: Tally::default(), start }
    }

    /// Sends what is due at `at`; if `answers` is set, the server responds at once.
    fn step(&mut self, at: Duration, answers: bool) {
        let now = self.start + at;
        // a response frees a stream, and a waiting request is sent at once
        loop {
            for (ticket, _) in self.waiting.calls.extract_if(.., |(_, deadline)| now >= *deadline) {
                self.lane.ended(ticket, &Reply::TimedOut, now, &mut self.tally);
            }
            self.lane.send(&mut self.waiting, now, &mut self.tally);
            if !answers || self.waiting.calls.is_empty() {
                return;
            }
            self.end(&ok(), now);
        }
    }

    /// Ends all calls in flight with this reply.
    fn end(&mut self, reply: &Reply, now: Instant) {
        for (ticket, _) in self.waiting.calls.drain(..) {
            self.lane.ended(ticket, reply, now, &mut self.tally);
        }
    }

    fn steps(&mut self, from: Duration, to: Duration, answers: bool) {
        let mut at = from;
        while at < to {
            self.step(at, answers);
            at += Duration::from_millis(1);
        }
    }

    /// The number of answered requests that took longer than `duration`.
    fn slower_than(&self, duration: Duration) -> u64 {
        let nanos = duration.as_nanos() as u64;
        self.tally.latencies.count_between(nanos, u64::MAX)
    }
}

/// The purpose of an open loop: the latency of requests that were due while the server stalled includes the stall,
/// although they were sent later.
#[test]
fn a_stall_is_in_the_latency_of_all_requests_due_meanwhile() {
    let mut run = Run::new(config(rate(100), Until::Elapsed(3 * SECOND), 1));
    run.steps(Duration::ZERO, SECOND, true);
    run.steps(SECOND, 2 * SECOND, false);
    run.steps(2 * SECOND, 3 * SECOND, true);
    assert_eq!((run.tally.made, run.tally.ok), (300, 300));
    assert!(run.lane.is_done(run.start + 3 * SECOND));
    let near = |millis, expected: u64| {
        let seen = run.slower_than(Duration::from_millis(millis));
        assert!(seen.abs_diff(expected) <= 1, "{seen} took longer than {millis} ms, not {expected}");
    };
    near(10, 99);
    near(500, 50);
    near(900, 10);
    assert!(run.slower_than(Duration::from_millis(1001)) == 0);
    assert_eq!(run.tally.lateness.max(), 0, "the generator was never late: no stream was free");

    // a closed loop would have had one slow request
    let mut closed = Run::new(config(Pace::Answers, sent(2), 1));
    closed.step(Duration::ZERO, false);
    closed.step(SECOND, true);
    assert_eq!((closed.tally.ok, closed.slower_than(Duration::from_millis(10))), (2, 1));
}

#[test]
fn an_open_loop_sends_exactly_what_is_due() {
    let mut run = Run::new(config(rate(10), Until::Elapsed(SECOND), 8));
    for (at, made) in [(0, 1), (99, 1), (100, 2), (350, 4), (999, 10), (1500, 10)] {
        run.step(Duration::from_millis(at), true);
        assert_eq!(run.tally.made, made, "after {at} ms");
    }
    // requests that are sent late although streams are free count as lateness of the generator
    assert!(run.tally.lateness.max() >= 99_000_000, "{}", run.tally.lateness.max());
}

#[test]
fn an_alarm_is_set_only_if_the_request_can_be_sent() {
    let mut run = Run::new(config(rate(10), sent(3), 1));
    assert_eq!(run.lane.alarm(&mut run.waiting), Some(run.start));
    run.step(Duration::ZERO, false);
    assert_eq!(run.lane.alarm(&mut run.waiting), None);
    run.step(Duration::from_millis(1), true);
    assert_eq!(run.lane.alarm(&mut run.waiting), Some(run.start + Duration::from_millis(100)));
    run.steps(Duration::ZERO, SECOND, true);
    assert_eq!((run.lane.alarm(&mut run.waiting), run.tally.made), (None, 3));
}

#[test]
fn a_closed_loop_keeps_its_streams_full_until_its_end() {
    let mut run = Run::new(config(Pace::Answers, Until::Elapsed(SECOND), 5));
    run.step(Duration::ZERO, false);
    assert_eq!((run.waiting.in_flight(), run.tally.made), (5, 5));
    assert!(!run.lane.is_done(run.start));
    run.step(SECOND, false);
    assert!(run.lane.is_done(run.start + SECOND));
    run.end(&ok(), run.start + SECOND);
    assert_eq!((run.tally.ok, run.tally.arrived), (5, 0), "counted, but not part of the rate");
    run.step(SECOND, true);
    assert_eq!(run.tally.made, 5);
}

#[test]
fn a_number_of_requests_is_exact_and_excludes_the_warm_up() {
    let warm = Config { warm_up: SECOND, ..config(Pace::Answers, sent(20), 5) };
    let mut run = Run::new(warm);
    run.step(Duration::ZERO, false);
    run.step(SECOND, false);
    assert_eq!((run.tally.warm_up, run.tally.made, run.tally.ok), (5, 0, 0));
    run.step(SECOND, true);
    assert_eq!((run.tally.warm_up, run.tally.made, run.tally.ok), (5, 20, 20));
    assert_eq!(run.tally.arrived, 25, "every response in the measured time is part of the rate");
    assert!(run.lane.is_done(run.start + SECOND));

    let warm = Config { warm_up: SECOND, ..config(rate(10), sent(20), 5) };
    let mut run = Run::new(warm);
    run.steps(Duration::ZERO, 4 * SECOND, true);
    assert_eq!((run.tally.warm_up, run.tally.made, run.tally.ok), (10, 20, 20));
}

#[test]
fn requests_not_answered_or_not_sent_in_time_have_failed() {
    let mut run = Run::new(config(rate(1), Until::Elapsed(20 * SECOND), 1));
    run.step(Duration::ZERO, false);
    // the first one fails after ten seconds; those due since then or before have waited as long or less
    run.step(10 * SECOND, false);
    let count = |run: &Run, trouble| run.tally.troubles.get(&trouble).map_or(0, |occurred| occurred.count);
    assert_eq!((count(&run, Trouble::TimedOut), count(&run, Trouble::NotSent)), (1, 0));
    run.step(15 * SECOND, false);
    assert_eq!((count(&run, Trouble::TimedOut), count(&run, Trouble::NotSent)), (2, 4));
    run.step(100 * SECOND, false);
    assert_eq!(run.tally.made, 20);
    assert_eq!(run.tally.made, run.tally.answered() + run.tally.errors());
}

#[test]
fn a_lost_connection_fails_the_calls_in_flight_and_the_others_wait() {
    let mut run = Run::new(config(rate(10), Until::Elapsed(2 * SECOND), 8));
    run.step(Duration::from_millis(300), false);
    let now = run.start + Duration::from_millis(300);
    run.end(&Reply::Lost("reset by peer".to_owned()), now);
    let occurred = &run.tally.troubles[&Trouble::ConnectionLost];
    assert_eq!((occurred.count, occurred.message.as_str()), (4, "reset by peer"));
    assert!(run.lane.wait_for_connection(now + SECOND, now, &mut run.tally));
    run.steps(Duration::from_millis(1300), 2 * SECOND, true);
    assert_eq!((run.tally.made, run.tally.ok), (20, 16));
    assert!(run.slower_than(Duration::from_millis(899)) >= 1, "due while there was no connection");
}

/// As after GOAWAY: the request is sent on the next connection.
#[test]
fn a_request_that_one_connection_does_not_accept_is_sent_on_another() {
    for pace in [Pace::Answers, rate(10)] {
        let mut run = Run::new(config(pace, sent(3), 1));
        run.waiting.retired = true;
        run.step(SECOND, true);
        assert_eq!((run.tally.made, run.lane.is_done(run.start + SECOND)), (0, false));
        run.waiting.retired = false;
        run.step(2 * SECOND, true);
        assert_eq!((run.tally.made, run.tally.ok), (3, 3));
        assert!(run.lane.is_done(run.start + 2 * SECOND));
    }
}

#[test]
fn a_number_of_requests_is_given_up_if_no_server_accepts_them() {
    let mut run = Run::new(config(Pace::Answers, sent(20), 5));
    let now = run.start + SECOND;
    assert!(run.lane.wait_for_connection(now, run.start, &mut run.tally));
    assert!(!run.lane.wait_for_connection(run.start + 10 * SECOND, run.start, &mut run.tally));
}

/// As with Ctrl-C: a request that is due at that moment is not an error of the server.
#[test]
fn a_stop_fails_no_request_that_could_have_been_sent() {
    let mut run = Run::new(config(rate(10), Until::Elapsed(100 * SECOND), 1));
    run.step(Duration::ZERO, true);
    run.shared.stop.store(true, Relaxed);
    run.step(Duration::from_millis(100), true);
    assert!(run.lane.is_done(run.start + Duration::from_millis(100)));
    assert_eq!((run.tally.made, run.tally.ok, run.tally.errors()), (1, 1, 0));
}

#[test]
fn a_stop_ends_the_run_and_accounts_for_requests_that_waited() {
    for pace in [Pace::Answers, rate(10)] {
        let mut run = Run::new(config(pace, Until::Elapsed(100 * SECOND), 1));
        run.step(Duration::ZERO, false);
        run.shared.stop.store(true, Relaxed);
        run.step(Duration::from_millis(550), true);
        assert!(run.lane.is_done(run.start + SECOND));
        assert_eq!(run.tally.ok, 1);
        assert_eq!(run.tally.made, run.tally.answered() + run.tally.errors());
        assert_eq!(run.tally.errors(), if pace == Pace::Answers { 0 } else { 5 });
    }
}
