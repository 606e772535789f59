//! A simulation of named windows: several processes, a Redis whose clock differs from theirs and is replaced at times by
//! that of another server, and calls that are delayed. It shows that no more than the limit passes in a named window,
//! and how long before or after a window hits are counted in it.
#![allow(clippy::print_stdout, reason = "the figures of a run")]

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    time::{Duration, Instant},
};

use fastrand::Rng;
use limiter::domain::{Charge, CounterKey, Group, Hit, Limit, Timestamp, Unit, Window};

use super::{
    Server,
    clock::ServerClock,
    named::{GRACE, NamedWindow, SLACK},
};

const SECOND: u64 = 1_000_000;
/// The true time at the start.
const START: u64 = 1_796_083_200 * SECOND;
const LENGTH: u64 = 60 * SECOND;
const PROCESSES: usize = 4;
/// The longest that a call is under way, and its reply.
const DELAY: u64 = SECOND / 10;
/// The most that a clock is wrong.
const WRONG: i64 = SECOND as i64;
/// How much longer than its window a counter lives, without jitter and with a timeout of 200 ms.
const EXTRA: Duration = GRACE.saturating_add(Duration::from_millis(200));
const LIMIT: u64 = 40;

/// What happens, in the order of time.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Decide {
        process: usize,
    },
    Arrive {
        process: usize,
        sent: u64,
        call: Call,
    },
    Reply {
        process: usize,
        sent: u64,
        server_now: u64,
    },
    /// Another server takes over.
    Failover,
}

/// A hit under way to Redis.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    is_plain: bool,
    /// The start of the named window, in seconds.
    start: u64,
    lifetime: u64,
}

/// The figures of a run.
#[derive(Debug, Default)]
struct Figures {
    plain: u64,
    scripts: u64,
    refused: u64,
    /// How many passed, by window.
    passed: HashMap<u64, u64>,
    /// How many were counted while the server's clock was outside the window, and the longest that it was.
    outside: u64,
    furthest: u64,
}

struct World {
    random: Rng,
    origin: Instant,
    length: u64,
    clocks: Vec<ServerClock>,
    /// How wrong the server's clock is. Those of the processes do not matter: they only measure durations.
    server_skew: i64,
    /// By window: the count, and when it expires by the server's clock.
    counters: HashMap<u64, (u64, u64)>,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    number: u64,
    figures: Figures,
}

impl World {
    fn new(seed: u64, length: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        Self {
            server_skew: random.i64(-WRONG..=WRONG),
            origin: Instant::now(),
            length,
            clocks: (0..PROCESSES).map(|_| ServerClock::new()).collect(),
            random,
            counters: HashMap::new(),
            events: BinaryHeap::new(),
            number: 0,
            figures: Figures::default(),
        }
    }

    fn at(&mut self, time: u64, event: Event) {
        self.number += 1;
        self.events.push(Reverse((time, self.number, event)));
    }

    fn instant(&self, time: u64) -> Instant {
        self.origin + Duration::from_micros(time - START)
    }

    fn run(mut self, has_failovers: bool) -> Figures {
        for process in 0..PROCESSES {
            // the proof of a connection is the first call of the script
            let (there, back) = (self.random.u64(..=DELAY), self.random.u64(..=DELAY));
            let server_now = (START + there).saturating_add_signed(self.server_skew);
            self.at(START + there + back, Event::Reply { process, sent: START, server_now });
            self.at(START + 2 * DELAY, Event::Decide { process });
        }
        if has_failovers {
            for _ in 0..5 {
                let time = START + self.random.u64(..LENGTH);
                self.at(time, Event::Failover);
            }
        }
        while let Some(Reverse((time, _, event))) = self.events.pop() {
            match event {
                Event::Decide { process } => self.decide(time, process),
                Event::Arrive { process, sent, call } => self.arrive(time, process, sent, &call),
                Event::Reply { process, sent, server_now } => {
                    let (sent, received) = (self.instant(sent), self.instant(time));
                    self.clocks[process].observe(Timestamp::from_micros(server_now), sent, received);
                }
                Event::Failover => self.server_skew = self.random.i64(-WRONG..=WRONG),
            }
        }
        self.figures
    }

    fn decide(&mut self, time: u64, process: usize) {
        let known = self.clocks[process].at(self.instant(time));
        let server = Server { time: known, names_windows: true, plain_commands: true };
        let window = Window::new(
            Unit::Second,
            u32::try_from(self.length / SECOND).expect("short").try_into().expect("not zero"),
        );
        let limit = Limit::fixed_window(LIMIT, window.expect("short"));
        let hit = Hit::new(CounterKey::from_bytes(b"{k}"), limit, Charge::Take(1));
        let window = NamedWindow::of(&Group::single(hit.clone()), &hit, &server).expect("a named window");
        let lifetime = window.left_at(server.time.now) + EXTRA;
        let call = Call {
            is_plain: server.time.is_fresh && !window.may_import(),
            start: window.start_seconds(),
            lifetime: lifetime.as_micros() as u64,
        };
        let arrives = time + self.random.u64(..=DELAY);
        self.at(arrives, Event::Arrive { process, sent: time, call });
        if time < START + LENGTH {
            let next = time + self.random.u64(..SECOND / 20);
            // some are quiet for so long that the clock is not fresh any more
            let pause = if self.random.u8(..100) == 0 { 2 * SECOND } else { 0 };
            self.at(next + pause, Event::Decide { process });
        }
    }

    fn arrive(&mut self, time: u64, process: usize, sent: u64, call: &Call) {
        let server_now = time.saturating_add_signed(self.server_skew);
        let (start, end) = (call.start * SECOND, call.start * SECOND + self.length);
        let outside = start.saturating_sub(server_now).max((server_now + 1).saturating_sub(end));
        self.counters.retain(|_, (_, expires)| *expires > server_now);
        if !call.is_plain {
            let back = time + self.random.u64(..=DELAY);
            self.at(back, Event::Reply { process, sent, server_now });
            if outside > SLACK.as_micros() as u64 {
                self.figures.refused += 1;
                return;
            }
        }
        let lifetime =
            if call.is_plain { call.lifetime } else { end.saturating_sub(server_now) + EXTRA.as_micros() as u64 };
        let expires = server_now + lifetime;
        let (count, _) = self.counters.entry(call.start).or_insert((0, expires));
        *count += 1;
        if *count <= LIMIT {
            *self.figures.passed.entry(call.start).or_default() += 1;
        }
        *(if call.is_plain { &mut self.figures.plain } else { &mut self.figures.scripts }) += 1;
        self.figures.outside += u64::from(outside > 0);
        self.figures.furthest = self.figures.furthest.max(outside);
    }
}

/// Runs many worlds, and returns their figures together.
fn simulate(has_failovers: bool) -> Figures {
    let mut all = Figures::default();
    for seed in 0..200 {
        let length = [1, 2, 3, 10][seed as usize % 4] * SECOND;
        let figures = World::new(seed, length).run(has_failovers);
        let most = figures.passed.values().max().copied().unwrap_or_default();
        assert!(most <= LIMIT, "seed {seed}: {most} of {LIMIT} passed in a window");
        assert!(figures.plain > figures.scripts, "seed {seed}: {figures:?}");
        all.plain += figures.plain;
        all.scripts += figures.scripts;
        all.refused += figures.refused;
        all.outside += figures.outside;
        all.furthest = all.furthest.max(figures.furthest);
    }
    let Figures { plain, scripts, refused, outside, furthest, .. } = &all;
    println!(
        "figures: {plain} by plain commands, {scripts} by the script, {refused} refused; {outside} counted up to \
         {furthest} µs outside their window"
    );
    all
}

#[test]
fn no_more_than_the_limit_passes_in_a_window_and_hits_are_counted_where_they_belong() {
    let figures = simulate(false);
    // the estimate is wrong by half of a round trip at most, and the call is under way as long as one of its halves
    assert!(figures.furthest <= 2 * DELAY, "{figures:?}");
    assert_eq!(figures.refused, 0, "{figures:?}");
}

#[test]
fn nor_when_a_server_with_another_clock_takes_over() {
    let figures = simulate(true);
    // until the next reply of the script, the estimate is that of the clock before
    assert!(figures.furthest <= 2 * DELAY + 2 * SECOND, "{figures:?}");
}
