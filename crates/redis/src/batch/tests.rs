//! The batcher and the store over a fake Redis whose answers the test sets.

mod again;
mod fair;
mod one_key;
mod plain;
mod tripped;

use std::{
    collections::VecDeque,
    num::{NonZeroU32, NonZeroUsize},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

use super::super::{
    Addition, Call, CallError, Caller, KeysPerCall, RedisStats, RedisStore, Replied, Script, Server, ServerTime,
    StoreOptions,
};
use limiter::domain::{
    Charge, CounterKey, Group, Hit, Limit, RateLimiter as _, Refusal, StoreError, TimeZone, Timestamp, Unit, Verdicts,
    Window,
};

const TIMEOUT: Duration = Duration::from_millis(100);

/// The time that the Redis has: decades behind.
const THERE: Timestamp = Timestamp::from_micros(1_000_000_000_000_000);

/// A Redis in which every counter is always found missing. Calls wait for a permit of its gate.
#[derive(Clone, Debug)]
struct Fake {
    gate: Arc<Semaphore>,
    state: Arc<Mutex<FakeState>>,
    has_slots: bool,
    keys_per_call: Arc<Mutex<Option<KeysPerCall>>>,
}

#[derive(Debug)]
struct FakeState {
    /// What is known of the server. The time is that of the last reply.
    server: Server,
    /// The plain commands, and what each ends with.
    additions: Vec<(Option<u16>, Addition)>,
    additions_end_with: Result<i64, CallError>,
    /// The script, slot, keys and settled groups of each call.
    calls: Vec<(Script, Option<u16>, Vec<String>, u32)>,
    /// The kinds of group in the last call.
    kinds: Vec<u8>,
    /// What to answer next in place of a reply.
    errors: VecDeque<CallError>,
    /// Refusals for single groups in the next reply.
    group_error: Option<&'static str>,
    reconnections: usize,
    tripped: bool,
}

impl Default for FakeState {
    fn default() -> Self {
        Self {
            server: Server { names_windows: false, ..Server::unknown() },
            additions: Vec::new(),
            additions_end_with: Err(refused("ERR no plain commands are expected")),
            calls: Vec::new(),
            kinds: Vec::new(),
            errors: VecDeque::new(),
            group_error: None,
            reconnections: 0,
            tripped: false,
        }
    }
}

impl Fake {
    fn open() -> Self {
        let keys_per_call = Arc::new(Mutex::new(Some(KeysPerCall::Many)));
        Self { gate: Arc::new(Semaphore::new(1 << 20)), state: Arc::default(), has_slots: false, keys_per_call }
    }

    fn shut() -> Self {
        Self { gate: Arc::new(Semaphore::new(0)), ..Self::open() }
    }

    fn failing(errors: impl IntoIterator<Item = CallError>) -> Self {
        let fake = Self::open();
        fake.state.lock().expect("a lock").errors.extend(errors);
        fake
    }

    fn scripts(&self) -> Vec<Script> {
        self.state.lock().expect("a lock").calls.iter().map(|call| call.0).collect()
    }

    fn keys(&self) -> Vec<Vec<String>> {
        self.state.lock().expect("a lock").calls.iter().map(|call| call.2.clone()).collect()
    }

    fn settled(&self) -> u32 {
        self.state.lock().expect("a lock").calls.iter().map(|call| call.3).sum()
    }

    fn start(&self, max_pending: usize) -> (Arc<RedisStore<Self>>, Arc<RedisStats>) {
        let stats = Arc::new(RedisStats::default());
        let options = StoreOptions {
            timeout: TIMEOUT,
            per_second_timeout: TIMEOUT,
            max_jitter: Duration::ZERO,
            max_pending: NonZeroUsize::new(max_pending).expect("not zero"),
        };
        (Arc::new(RedisStore::start(self.clone(), None, options, Arc::clone(&stats))), stats)
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"))
}

/// The counters of each group of a call, and how many times it is settled. A kind takes 19 bytes, and 42 for each hit,
/// 90 by a calendar; a group 12 and 4 for each counter.
fn groups(call: &Call) -> Vec<(u32, u32)> {
    let (mut kinds, mut counters_of) = (call.kinds.as_slice(), Vec::new());
    while !kinds.is_empty() {
        counters_of.push(number(kinds, 7));
        let hits = number(kinds, 3);
        kinds = &kinds[19..];
        for _ in 0..hits {
            kinds = &kinds[if kinds[4] == 4 { 90 } else { 42 }..];
        }
    }
    let (mut bytes, mut groups) = (call.groups.as_slice(), Vec::new());
    while !bytes.is_empty() {
        let counters = counters_of[number(bytes, 0) as usize - 1];
        groups.push((counters, number(bytes, 4)));
        bytes = &bytes[12 + 4 * counters as usize..];
    }
    groups
}

impl Caller for Fake {
    fn call(
        &self,
        slot: Option<u16>,
        script: Script,
        call: &Call,
    ) -> impl Future<Output = Result<Replied, CallError>> + Send + 'static {
        let keys: Vec<String> = call.keys().map(|key| String::from_utf8_lossy(key).into_owned()).collect();
        let groups = groups(call);
        let settled = groups.iter().map(|(_, times)| times).sum();
        let mut state = self.state.lock().expect("a lock");
        let error = state.errors.pop_front();
        let group_error = state.group_error.take();
        state.kinds.clone_from(&call.kinds);
        state.calls.push((script, slot, keys, settled));
        let (gate, state) = (Arc::clone(&self.gate), Arc::clone(&self.state));
        async move {
            let Ok(permit) = tokio::time::timeout(TIMEOUT, gate.acquire()).await else {
                return Err(CallError::Unanswered("timeout".into()));
            };
            permit.expect("open").forget();
            if let Some(error) = error {
                return Err(error);
            }
            let time = &mut state.lock().expect("a lock").server.time;
            *time = ServerTime { now: THERE, since: time.since.min(THERE), is_fresh: true };
            let mut reply = THERE.as_f64().to_le_bytes().to_vec();
            for (counters, _) in groups {
                match group_error {
                    None => {
                        reply.push(0);
                        reply.extend(std::iter::repeat_n(1, counters as usize));
                    }
                    Some(text) => {
                        reply.push(1);
                        reply.extend(1u32.to_le_bytes());
                        reply.extend((text.len() as u32).to_le_bytes());
                        reply.extend(text.bytes());
                    }
                }
            }
            Ok(Replied::from(reply))
        }
    }

    fn add(
        &self,
        slot: Option<u16>,
        addition: &Addition,
    ) -> impl Future<Output = Result<i64, CallError>> + Send + 'static {
        let mut state = self.state.lock().expect("a lock");
        state.additions.push((slot, addition.clone()));
        std::future::ready(state.additions_end_with.clone())
    }

    fn server(&self, _slot: Option<u16>) -> Server {
        self.state.lock().expect("a lock").server
    }

    fn delete(
        &self,
        _slot: Option<u16>,
        _keys: &[Vec<u8>],
    ) -> impl Future<Output = Result<bool, CallError>> + Send + 'static {
        std::future::ready(Ok(true))
    }

    fn has_slots(&self) -> bool {
        self.has_slots
    }

    fn keys_per_call(&self) -> Option<KeysPerCall> {
        *self.keys_per_call.lock().expect("a lock")
    }

    fn admits(&self, _slot: Option<u16>) -> bool {
        !self.state.lock().expect("a lock").tripped
    }

    fn reconnect(&self) {
        self.state.lock().expect("a lock").reconnections += 1;
    }

    async fn close(&self) {}
}

fn hit(key: &str) -> Hit {
    Hit::new(CounterKey::from_bytes(key.as_bytes()), Limit::fixed_window(3, Unit::Minute), Charge::Take(1))
}

fn group(key: &str) -> Group {
    Group::single(hit(key))
}

fn refused(text: &str) -> CallError {
    CallError::Refused(text.into())
}

/// Runs every task that can run. Nothing here waits for more than that, so a handful of turns is enough.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn spawn(store: &Arc<RedisStore<Fake>>, keys: impl IntoIterator<Item = &'static str>) -> JoinSet<Verdicts> {
    let mut checks = JoinSet::new();
    for key in keys {
        let store = Arc::clone(store);
        checks.spawn(async move { store.check(group(key)).await });
    }
    checks
}

#[tokio::test(start_paused = true)]
async fn what_arrives_while_calls_are_in_flight_leaves_together_and_equal_checks_are_one_entry() {
    let fake = Fake::shut();
    let (store, stats) = fake.start(1000);
    let mut checks = JoinSet::new();
    for key in ["first", "second"] {
        checks.spawn({
            let store = Arc::clone(&store);
            async move { store.check(group(key)).await }
        });
        settle().await;
    }
    let rest = spawn(&store, ["a", "b", "a", "a", "a", "c"]);
    settle().await;
    assert_eq!(fake.keys(), [["first"], ["second"]], "two in flight, the rest waits");
    fake.gate.add_permits(100);
    let mut verdicts: Vec<_> = rest.join_all().await.into_iter().map(|mut one| one.remove(0).expect("ok")).collect();
    assert_eq!(fake.keys()[2], ["a", "b", "c"], "first come, first served");
    verdicts.sort_by_key(|verdict| (verdict.after, verdict.allowed));
    let counts: Vec<_> = verdicts.iter().map(|verdict| (verdict.before, verdict.after, verdict.allowed)).collect();
    let fresh = (0, 1, true);
    assert_eq!(counts, [fresh, fresh, fresh, (1, 2, true), (2, 3, true), (3, 4, false)], "as if one after the other");
    assert_eq!((stats.calls(), stats.entries(), stats.checks()), (3, 5, 8));
    checks.join_all().await;
    assert_eq!((stats.pending(), stats.in_flight(), stats.call_times().count()), (0, 0, 3));
}

#[tokio::test(start_paused = true)]
async fn work_whose_caller_has_left_is_never_sent() {
    let fake = Fake::shut();
    let (store, stats) = fake.start(1000);
    let mut busy = spawn(&store, ["x"]);
    settle().await;
    busy.spawn({
        let store = Arc::clone(&store);
        async move { store.check(group("y")).await }
    });
    settle().await;
    let mut abandoned = spawn(&store, ["a"; 200]);
    settle().await;
    assert_eq!(stats.pending(), 202);
    abandoned.shutdown().await;
    fake.gate.add_permits(100);
    busy.join_all().await;
    settle().await;
    assert_eq!((fake.settled(), stats.abandoned(), stats.pending()), (2, 200, 0));
}

#[tokio::test(start_paused = true)]
async fn everybody_is_answered_by_the_deadline_and_the_work_is_bounded() {
    let fake = Fake::shut();
    let (store, stats) = fake.start(5);
    let before = Instant::now();
    let mut checks = spawn(&store, ["a"]);
    settle().await;
    checks.spawn({
        let store = Arc::clone(&store);
        async move { store.check(group("b")).await }
    });
    settle().await;
    let waiting = spawn(&store, ["c"; 5]);
    let soon = Group { deadline: Some((before + Duration::from_millis(20)).into_std()), ..group("d") };
    settle().await;
    assert_eq!(store.check(soon.clone()).await[0], Err(StoreError::Overloaded), "all five slots are taken");
    let mut outcomes: Vec<_> = waiting.join_all().await.into_iter().map(|mut one| one.remove(0)).collect();
    outcomes.sort_by_key(|outcome| *outcome == Err(StoreError::Overloaded));
    let late = [StoreError::Expired, StoreError::Unanswered];
    assert!(outcomes[..3].iter().all(|outcome| late.contains(&outcome.expect_err("late"))), "{outcomes:?}");
    assert_eq!(outcomes[3..], [Err(StoreError::Overloaded), Err(StoreError::Overloaded)]);
    for outcome in checks.join_all().await {
        assert_eq!(outcome[0], Err(StoreError::Unanswered));
    }
    assert_eq!(before.elapsed().as_millis() / 10, 10, "the clock is a paused one");
    assert_eq!(stats.pending(), 0);
    let shed: u64 = stats.failed().filter(|(kind, _)| *kind == "overloaded").map(|(_, count)| count).sum();
    assert_eq!(shed, 3);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_frees_its_slot_at_once() {
    let fake = Fake::shut();
    let (store, stats) = fake.start(10);
    let mut busy = spawn(&store, ["a"]);
    settle().await;
    busy.spawn({
        let store = Arc::clone(&store);
        async move { store.check(group("b")).await }
    });
    settle().await;
    let taken = stats.pending();
    for _ in 0..100 {
        let mut leaving = spawn(&store, ["c"; 8]);
        settle().await;
        assert_eq!(stats.pending(), taken + 8, "none is shed");
        leaving.shutdown().await;
        assert_eq!(stats.pending(), taken);
    }
    assert!(stats.abandoned() >= 800 - 20, "{} of 800 were let go of", stats.abandoned());
    assert_eq!(fake.keys().len(), 2, "the Redis still hangs");
    fake.gate.add_permits(10);
    busy.join_all().await;
    settle().await;
    assert!(!fake.keys().concat().contains(&"c".to_owned()), "what was not sent is not charged");
}

#[tokio::test(start_paused = true)]
async fn a_callers_own_deadline_is_kept_in_the_queue_and_in_flight() {
    let fake = Fake::shut();
    let (store, _) = fake.start(100);
    let mut long = JoinSet::new();
    for key in ["a", "b", "c"] {
        let store = Arc::clone(&store);
        long.spawn(async move { store.check(group(key)).await });
        settle().await;
    }
    let start = Instant::now();
    let within = |millis| Some((start + Duration::from_millis(millis)).into_std());
    let queued = store.check(Group { deadline: within(20), ..group("d") }).await;
    assert_eq!((queued[0], start.elapsed().as_millis()), (Err(StoreError::Expired), 20));
    long.shutdown().await;
    fake.gate.add_permits(2);
    settle().await;
    let flying = store.check(Group { deadline: within(40), ..group("e") }).await;
    assert_eq!((flying[0], start.elapsed().as_millis()), (Err(StoreError::Unanswered), 40));
}

#[tokio::test(start_paused = true)]
async fn one_wrong_counter_fails_alone_and_parts_are_put_together_in_order() {
    let fake = Fake { has_slots: true, ..Fake::open() };
    let (store, _) = fake.start(10);
    let group = Group::new(vec![
        Hit { descriptor: 0, ..hit("{a}1") },
        Hit { descriptor: 1, charge: Charge::Take(2), ..hit("{b}1") },
        Hit { descriptor: 2, charge: Charge::Take(3), ..hit("{c}2") },
    ]);
    fake.state.lock().expect("a lock").errors.extend([refused("ERR x")]);
    let verdicts = store.check(group).await;
    let after: Vec<_> = verdicts.iter().map(|verdict| verdict.map(|verdict| verdict.after)).collect();
    let other = Err(StoreError::Refused(Refusal::Other));
    assert_eq!(after, [other, Ok(2), Ok(3)]);
}

#[tokio::test(start_paused = true)]
async fn closing_answers_what_is_under_way_and_refuses_the_rest() {
    let fake = Fake::shut();
    let (store, _) = fake.start(10);
    let checks = spawn(&store, ["a", "b"]);
    settle().await;
    let closing = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.close().await }
    });
    settle().await;
    assert_eq!(store.check(group("c")).await[0], Err(StoreError::Closed));
    fake.gate.add_permits(10);
    assert!(checks.join_all().await.iter().all(|verdicts| verdicts[0].is_ok()));
    closing.await.expect("closed");
    store.close().await;
}

#[tokio::test(start_paused = true)]
async fn dropping_the_store_ends_its_tasks() {
    let fake = Fake::shut();
    let (store, stats) = fake.start(10);
    let checks = spawn(&store, ["a"]);
    settle().await;
    assert_eq!(stats.in_flight(), 1);
    drop(checks);
    drop(Arc::into_inner(store));
    settle().await;
    assert_eq!((stats.in_flight(), stats.pending(), Arc::strong_count(&fake.gate)), (0, 0, 1));
}
