//! Compares the engine over a Redis, with the decorators of the service, with the engine over memory: equal decisions.
//! `tests/store/halves` does the same over memory only.

use std::{
    collections::HashMap,
    future::{Future, ready},
    num::{NonZeroU32, NonZeroUsize},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use limiter::{
    domain::{
        Capabilities, Charge, Clock, CounterKey, Decision, Group, Hit, Limit, ManualClock, RateLimiter, Request,
        Status, StoreError, SystemClock, Timestamp, Verdicts,
    },
    guard::{DegradedStats, DenyCache, DenyTable, FailMode, Observed, OperationTimes},
    memory::{MemoryConfig, MemoryStore},
};
use proptest::{
    prelude::*,
    test_runner::{TestCaseError, TestRunner},
};
use redis::{Client, RedisStore};
use tokio::runtime::Runtime;
use tollgate::engine::{MaybePending, Pending};

use crate::{
    client::calls::tcp,
    halves::{
        side::{Outcome, Side, share_a_counter},
        world::{Step, Windows, World, worlds},
    },
    redis::stores::store,
};
use testkit::redis::Redis;

type Stack = Observed<FailMode<DenyCache<RedisStore<Client>>, MemoryStore>>;

/// The same stack as in `src/app/store/guards.rs`.
async fn stack(redis: &Redis) -> (Stack, Arc<DenyTable>) {
    let table = DenyTable::new(NonZeroUsize::new(1 << 20).expect("not zero"));
    let config = MemoryConfig { max_counters: NonZeroUsize::new(1_000_000).expect("not zero") };
    let local = Arc::new(MemoryStore::new(config, Arc::new(SystemClock)));
    let guarded = DenyCache::new(store(&tcp(redis)).await, Arc::clone(&table));
    let guarded = FailMode::new(guarded, local, NonZeroU32::MIN, Arc::<DegradedStats>::default());
    (Observed::new(guarded, Arc::<OperationTimes>::default()), table)
}

fn memory(clock: Arc<dyn Clock>) -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new(MemoryConfig { max_counters: NonZeroUsize::new(7000).expect("not zero") }, clock))
}

/// A limiter whose store counts at the time of the test; the deny cache sends such groups on. Stores the last group.
#[derive(Debug)]
struct Timed<L> {
    inner: Arc<L>,
    clock: Arc<ManualClock>,
    last: Mutex<Option<Group>>,
}

impl<L: RateLimiter> Timed<L> {
    fn new(inner: &Arc<L>, clock: &Arc<ManualClock>) -> Arc<Self> {
        Arc::new(Self { inner: Arc::clone(inner), clock: Arc::clone(clock), last: Mutex::default() })
    }

    fn timed(&self, group: &Group) -> Group {
        *self.last.lock().expect("no panic") = Some(group.clone());
        group.clone().at(self.clock.now())
    }

    fn take_last(&self) -> Option<Group> {
        self.last.lock().expect("no panic").take()
    }
}

impl<L: RateLimiter> RateLimiter for Timed<L> {
    fn begin(&self, group: Arc<Group>) -> impl Future<Output = Verdicts> + Send + use<L> {
        self.inner.begin(Arc::new(self.timed(&group)))
    }

    fn try_check(&self, group: &Group) -> Option<Verdicts> {
        self.inner.try_check(&self.timed(group))
    }

    fn reset(&self, key: &CounterKey, limit: &Limit) -> impl Future<Output = Result<bool, StoreError>> + Send {
        self.inner.reset(key, limit)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    fn close(&self) -> impl Future<Output = ()> + Send {
        ready(())
    }
}

/// A request that waits for Redis, and the decision over memory.
struct Waiting {
    pending: Pending,
    group: Group,
    expected: Outcome,
}

struct Run {
    clock: Arc<ManualClock>,
    in_memory: Arc<Timed<MemoryStore>>,
    in_redis: Arc<Timed<Stack>>,
    memory: Side,
    redis: Side,
    waiting: Vec<Waiting>,
    counters: HashMap<CounterKey, Limit>,
}

impl Run {
    fn new(world: &World, stack: &Arc<Stack>, prefix: &str) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000)));
        let in_memory = Timed::new(&memory(Arc::clone(&clock) as _), &clock);
        let in_redis = Timed::new(stack, &clock);
        let memory = Side::new(Arc::clone(&in_memory) as _, world, prefix);
        let redis = Side::new(Arc::clone(&in_redis) as _, world, prefix);
        Self { clock, in_memory, in_redis, memory, redis, waiting: Vec::new(), counters: HashMap::new() }
    }

    async fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Ask(ask, _) => self.ask(&ask.request()).await?,
            Step::End(_) if self.waiting.is_empty() => {}
            Step::End(which) => self.end(which % self.waiting.len()).await?,
            Step::Wait(time) => {
                self.end_all().await?;
                self.clock.advance(*time);
            }
            // a full bucket expires in Redis by the machine's clock, but stays in memory by ours: equal for one limit,
            // but not with another burst. tests/store/halves has changes of rules.
            Step::Load(_) => {}
        }
        Ok(())
    }

    async fn ask(&mut self, request: &Request<'_>) -> Result<(), TestCaseError> {
        let expected = self.memory.decided(request);
        // requests that share a counter are charged in the order of the requests
        if let Some(group) = self.in_memory.take_last() {
            while let Some(before) = self.waiting.iter().position(|other| share_a_counter(&other.group, &group)) {
                self.end(before).await?;
            }
        }
        match self.redis.engine.begin(request, None) {
            MaybePending::Decided(outcome) => prop_assert_eq!(outcome, expected, "{:?}", request),
            MaybePending::Pending(pending) => {
                let group = self.in_redis.take_last().expect("it was asked");
                self.counters.extend(group.hits.iter().map(|hit| (hit.key.clone(), hit.limit)));
                self.waiting.push(Waiting { pending, group, expected });
            }
        }
        Ok(())
    }

    async fn end(&mut self, at: usize) -> Result<(), TestCaseError> {
        let Waiting { pending, group, expected } = self.waiting.remove(at);
        prop_assert_eq!(pending.await, expected, "{:?}", group);
        Ok(())
    }

    async fn end_all(&mut self) -> Result<(), TestCaseError> {
        while !self.waiting.is_empty() {
            self.end(self.waiting.len() / 2).await?;
        }
        Ok(())
    }

    /// Asserts that both have counted and charged the same.
    async fn compare(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.memory.statistics(), self.redis.statistics());
        for (key, limit) in &self.counters {
            let look = Group::single(Hit::new(key.clone(), *limit, Charge::LOOK));
            let expected = self.in_memory.try_check(&look);
            prop_assert_eq!(Some(self.in_redis.check(look).await), expected, "{:?}", key);
        }
        Ok(())
    }
}

/// Runs a property; each case has counters of its own. PROPTEST_CASES sets their number.
fn for_all(
    worlds: impl Strategy<Value = World>,
    test: &impl AsyncFn(&World, &str) -> Result<u64, TestCaseError>,
    runtime: &Runtime,
) -> (u32, u64) {
    let cases = std::env::var_os("PROPTEST_CASES").map_or(64, |_| ProptestConfig::default().cases);
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let (number, requests) = (AtomicU64::new(0), AtomicU64::new(0));
    TestRunner::new(config)
        .run(&worlds, |world| {
            let prefix = format!("halves:{}:", number.fetch_add(1, Relaxed));
            requests.fetch_add(runtime.block_on(test(&world, &prefix))?, Relaxed);
            Ok(())
        })
        .expect("Redis and memory are equal");
    (cases, requests.into_inner())
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn requests(world: &World) -> u64 {
    world.steps.iter().filter(|step| matches!(step, Step::Ask(..))).count() as u64
}

#[test]
fn the_engine_decides_and_counts_over_redis_as_over_memory() {
    let (redis, runtime) = (Redis::start(&[]), runtime());
    let (stack, _) = runtime.block_on(stack(&redis));
    let stack = Arc::new(stack);
    let test = async |world: &World, prefix: &str| {
        let mut run = Run::new(world, &stack, prefix);
        for step in &world.steps {
            run.step(step).await?;
        }
        run.end_all().await?;
        run.compare().await?;
        Ok(requests(world))
    };
    let (cases, requests) = for_all(worlds(Windows::Long, 1..60), &test, &runtime);
    println!("figures: memory and Redis: {cases} sequences, {requests} requests");
}

/// Uses the clocks of the machine, so times are not compared. The remaining number of a remembered denial may be a
/// second old, and so may be the choice of the reported limit. A refund may take effect a second late, so there are
/// none here. Hits that the cache answers are not added to the counter, which another limit on it would see, so there
/// are no overrides either.
#[test]
fn the_deny_cache_changes_no_answer() {
    let (redis, runtime) = (Redis::start(&[]), runtime());
    let (stack, table) = runtime.block_on(stack(&redis));
    let stack = Arc::new(stack);
    let test = async |world: &World, prefix: &str| {
        let memory = Side::new(memory(Arc::new(SystemClock)), world, prefix);
        let redis = Side::new(Arc::clone(&stack) as _, world, prefix);
        for step in &world.steps {
            let Step::Ask(ask, _) = step else { continue };
            let ask = ask.clone().without_refunds().without_overrides();
            let decided = redis.engine.decide(&ask.request(), None).await;
            prop_assert_eq!(timeless(decided), timeless(memory.decided(&ask.request())), "{:?}", ask);
        }
        Ok(requests(world))
    };
    let (cases, requests) = for_all(worlds(Windows::Long, 1..60), &test, &runtime);
    println!(
        "figures: memory and Redis with a deny cache: {cases} sequences, {requests} requests, {} hits of the cache",
        table.hits()
    );
    assert!(table.hits() > 0);
}

/// The decision without what depends on the time.
fn timeless(outcome: Outcome) -> Outcome {
    outcome.map(|decision| {
        let timeless = |status: &Status| Status { remaining: 0, reset_after: None, ..status.clone() };
        Decision { statuses: decision.statuses.iter().map(timeless).collect(), tightest: None, ..decision }
    })
}
