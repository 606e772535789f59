//! The two paths of the engine: whether requests are decided immediately or begun and finished later, in any order,
//! they have the same answers, statistics and charges. `tests/store/redis` does the same with a Redis.

mod later;
pub mod side;
#[allow(dead_code, reason = "shared")]
pub mod world;

use std::{
    collections::HashMap,
    future::Future,
    num::NonZeroUsize,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
};

use limiter::{
    domain::{Charge, CounterKey, Group, Hit, Limit, ManualClock, RateLimiter as _, Request, Timestamp},
    memory::{MemoryConfig, MemoryStore},
};
use proptest::{
    prelude::*,
    test_runner::{TestCaseError, TestRunner},
};
use tollgate::engine::{MaybePending, Pending};

use later::Later;
use side::{Outcome, Side, share_a_counter};
use world::{Fate, Step, Windows, World, worlds};

/// What was run, over all cases.
#[derive(Default)]
struct Tally {
    requests: AtomicU64,
    at_once: AtomicU64,
    finished: AtomicU64,
    left: AtomicU64,
    reloads: AtomicU64,
    counters: AtomicU64,
}

/// A request that waits on the side that waits.
struct Waiting {
    pending: Pending,
    number: usize,
    group: Arc<Group>,
    /// The answer of the other side; `None` if its caller is to cancel.
    expected: Option<Outcome>,
    fate: Fate,
}

struct Run<'a> {
    clock: Arc<ManualClock>,
    stores: [Arc<MemoryStore>; 2],
    /// Answers immediately.
    once: Side,
    /// Answers later.
    wait: Side,
    later: Arc<Later>,
    waiting: Vec<Waiting>,
    counters: HashMap<CounterKey, Limit>,
    tally: &'a Tally,
}

impl<'a> Run<'a> {
    fn new(world: &World, tally: &'a Tally) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000)));
        let config = MemoryConfig { max_counters: NonZeroUsize::new(7000).expect("not zero") };
        let stores = [(); 2].map(|()| Arc::new(MemoryStore::new(config, Arc::clone(&clock) as _)));
        let later = Arc::new(Later::over(&stores[1]));
        let once = Side::new(Arc::clone(&stores[0]) as _, world, "");
        let wait = Side::new(Arc::clone(&later) as _, world, "");
        let (waiting, counters) = (Vec::new(), HashMap::new());
        Self { clock, stores, once, wait, later, waiting, counters, tally }
    }

    fn step(&mut self, step: &Step, world: &World) -> Result<(), TestCaseError> {
        match step {
            Step::Ask(ask, fate) => self.ask(&ask.request(), *fate)?,
            Step::End(_) if self.waiting.is_empty() => {}
            Step::End(which) => self.end(which % self.waiting.len())?,
            Step::Wait(time) => {
                self.end_all()?;
                self.clock.advance(*time);
            }
            Step::Load(version) => {
                self.once.load(&world.rules[*version]);
                self.wait.load(&world.rules[*version]);
                self.tally.reloads.fetch_add(1, Relaxed);
            }
        }
        prop_assert_eq!(self.later.waiting(), self.waiting.len());
        Ok(())
    }

    fn ask(&mut self, request: &Request<'_>, fate: Fate) -> Result<(), TestCaseError> {
        self.tally.requests.fetch_add(1, Relaxed);
        let begun = self.wait.engine.begin(request, None);
        let pending = match begun {
            MaybePending::Decided(outcome) => {
                self.tally.at_once.fetch_add(1, Relaxed);
                prop_assert_eq!(outcome, self.once.decided(request), "{:?}", request);
                return Ok(());
            }
            MaybePending::Pending(pending) => pending,
        };
        let (number, group) = self.later.last();
        // requests that share a counter are charged in the order of the requests
        while let Some(before) = self.waiting.iter().position(|other| share_a_counter(&other.group, &group)) {
            self.end(before)?;
        }
        self.counters.extend(group.hits.iter().map(|hit| (hit.key.clone(), hit.limit)));
        let expected = match fate {
            Fate::Answered => Some(self.once.decided(request)),
            Fate::LeftCharged => {
                self.stores[0].try_check(&group).expect("the memory store answers at once");
                None
            }
            Fate::LeftUncharged => None,
        };
        self.waiting.push(Waiting { pending, number, group, expected, fate });
        Ok(())
    }

    fn end_all(&mut self) -> Result<(), TestCaseError> {
        // from the middle, so that neither the first nor the last is first
        while !self.waiting.is_empty() {
            self.end(self.waiting.len() / 2)?;
        }
        Ok(())
    }

    fn end(&mut self, at: usize) -> Result<(), TestCaseError> {
        let Waiting { mut pending, number, expected, fate, group } = self.waiting.remove(at);
        if fate == Fate::LeftUncharged {
            drop(pending);
        } else {
            let woken = Arc::new(Woken::default());
            // some are polled from the beginning, others only when they are decided
            if number.is_multiple_of(2) {
                prop_assert!(poll(&mut pending, &woken).is_pending(), "nothing has been charged");
            }
            self.later.charge(number);
            prop_assert_eq!(woken.0.load(Relaxed), u64::from(number.is_multiple_of(2)));
            if let Some(expected) = expected {
                let Poll::Ready(outcome) = poll(&mut pending, &woken) else {
                    return Err(TestCaseError::fail("it was charged and has no decision"));
                };
                prop_assert_eq!(outcome, expected, "{:?}", group);
            }
            drop(pending);
        }
        let finished = if fate == Fate::Answered { &self.tally.finished } else { &self.tally.left };
        finished.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Asserts that both have counted and charged the same.
    fn compare(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.later.waiting(), 0);
        prop_assert_eq!(self.once.statistics(), self.wait.statistics());
        for (key, limit) in &self.counters {
            let look = Group::single(Hit::new(key.clone(), *limit, Charge::LOOK));
            let [one, other] = [0, 1].map(|side: usize| self.stores[side].try_check(&look));
            prop_assert_eq!(one, other, "{:?}", key);
        }
        let [one, other] = [0, 1].map(|side: usize| {
            self.stores[side].sweep(usize::MAX);
            self.stores[side].len()
        });
        prop_assert_eq!(one, other);
        self.tally.counters.fetch_add(self.counters.len() as u64, Relaxed);
        Ok(())
    }
}

#[derive(Default)]
struct Woken(AtomicU64);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn poll(pending: &mut Pending, woken: &Arc<Woken>) -> Poll<Outcome> {
    Pin::new(pending).poll(&mut Context::from_waker(&Waker::from(Arc::clone(woken))))
}

fn run(world: &World, tally: &Tally) -> Result<(), TestCaseError> {
    let mut run = Run::new(world, tally);
    for step in &world.steps {
        run.step(step, world)?;
    }
    run.end_all()?;
    run.compare()
}

#[test]
fn both_paths_decide_and_count_alike() {
    // more of them with PROPTEST_CASES
    let cases = ProptestConfig::default().cases;
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let tally = Tally::default();
    TestRunner::new(config)
        .run(&worlds(Windows::Any, 1..60), |world| run(&world, &tally))
        .expect("both halves are equal");
    let Tally { requests, at_once, finished, left, reloads, counters } = tally;
    println!(
        "halves: {cases} sequences, {} requests: {} decided at once, {} finished later, {} left; \
         {} reloads, {} counters compared",
        requests.into_inner(),
        at_once.into_inner(),
        finished.into_inner(),
        left.into_inner(),
        reloads.into_inner(),
        counters.into_inner()
    );
}
