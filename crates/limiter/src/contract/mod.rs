//! The contract suite: what must hold for every store, and for every algorithm that the store declares.
//!
//! A store of another crate runs it as one of its own tests, with this crate's feature `contract` as a dev-dependency:
//!
//! ```toml
//! [dev-dependencies]
//! limiter = { version = "…", features = ["contract"] }
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! ```
//!
//! ```
//! use std::{num::NonZeroUsize, sync::Arc};
//!
//! use limiter::{
//!     contract::Contract,
//!     domain::SystemClock,
//!     memory::{MemoryConfig, MemoryStore},
//! };
//!
//! // a #[tokio::test(flavor = "multi_thread")], so that many threads charge the store at once
//! async fn my_store_keeps_the_contract() {
//!     let config = MemoryConfig { max_counters: NonZeroUsize::new(100_000).expect("not zero") };
//!     Contract::new("my store", async || MemoryStore::new(config, Arc::new(SystemClock))).verify().await;
//! }
//! ```
//!
//! The suite uses the trait [`RateLimiter`] alone, sets the time by `Group.now`, and keeps to counters of its own, so
//! that it can run beside other users of a shared store. Charges are made at least a second before their counter
//! expires, for stores that expire counters by a clock that no test can set. The cases of calendars need the feature
//! `calendar`.

#[cfg(feature = "calendar")]
mod calendar;
mod charges;
mod clock;
mod concurrency;
mod groups;
mod lifecycle;
mod parity;

use std::{
    fmt,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use crate::domain::{
    Algorithm, AtomicGroups, Charge, CounterKey, Group, Hit, Limit, ManualClock, RateLimiter, Timestamp, Unit, Verdict,
    Window,
};

/// Requests per window, and burst, of the usual limit.
const L: u64 = 10;
/// Its window, in seconds and microseconds.
const W: u32 = 60;
const WINDOW: u64 = W as u64 * 1_000_000;
/// A time at which a window begins.
const START: u64 = 28_333_334 * WINDOW;

/// One case's own corner of a store.
struct Bench<S> {
    store: Arc<S>,
    algorithm: Algorithm,
    corner: String,
}

impl<S: RateLimiter> Bench<S> {
    fn new(store: &Arc<S>, algorithm: Algorithm, case: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let started = SystemTime::UNIX_EPOCH.elapsed().expect("a clock past 1970").as_nanos();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // the braces keep a group's counters in one slot of a Redis Cluster
        let corner = format!("contract:{{{}.{started}.{number}|{algorithm}|{case}}}", std::process::id());
        Self { store: Arc::clone(store), algorithm, corner }
    }

    fn key(&self, name: &str) -> CounterKey {
        CounterKey::from_bytes(format!("{}{name}", self.corner).as_bytes())
    }

    /// The usual limit with another number of requests, which is the burst too.
    fn limit(&self, requests: u64, count_denied: bool) -> Limit {
        let window = Window::new(Unit::Second, NonZeroU32::new(W).expect("not zero")).expect("short");
        Limit::new(self.algorithm, requests, window, None, Some(count_denied)).expect("a limit")
    }

    /// A hit on the usual limit, which counts what it denies if the algorithm's default says so.
    fn hit(&self, name: &str, n: u64) -> Hit {
        Hit::new(self.key(name), self.limit(L, self.algorithm == Algorithm::FixedWindow), Charge::Take(n))
    }

    /// A hit on the usual limit that leaves no trace when it is denied.
    fn gentle(&self, name: &str, n: u64) -> Hit {
        Hit::new(self.key(name), self.limit(L, false), Charge::Take(n))
    }

    /// A hit on the usual limit that is charged in any case.
    fn harsh(&self, name: &str, n: u64) -> Hit {
        Hit::new(self.key(name), self.limit(L, true), Charge::Take(n))
    }

    async fn one(&self, hit: Hit, micros: u64) -> Verdict {
        let verdicts = self.store.check(Group::single(hit).at(Timestamp::from_micros(micros))).await;
        assert_eq!(verdicts.len(), 1, "one hit, one outcome");
        verdicts[0].expect("the store answers")
    }

    async fn group(&self, group: Group) -> Vec<Verdict> {
        let verdicts = self.store.check(group.at(Timestamp::from_micros(START))).await;
        verdicts.into_iter().map(|verdict| verdict.expect("the store answers")).collect()
    }

    /// The count of a counter of the usual limit.
    async fn count(&self, name: &str) -> u64 {
        self.one(self.gentle(name, 0), START).await.after
    }
}

/// Hits as a group that charges each of `descriptors` on its own.
fn together(hits: impl IntoIterator<Item = Hit>) -> Group {
    Group::new(hits)
}

fn micros(duration: Duration) -> u64 {
    duration.as_micros() as u64
}

/// Runs cases one after another, with further arguments for each, and returns how many those were.
macro_rules! run_cases {
    ($store:expr, $algorithm:expr, $arguments:tt, $($module:ident::{$($case:ident),+ $(,)?})+) => {{
        let mut count = 0;
        $($(
            let name = concat!(stringify!($module), "::", stringify!($case));
            eprintln!("{}: {name}", $algorithm);
            run_cases!(@one $module::$case, Bench::new($store, $algorithm, name), $arguments).await;
            count += 1;
        )+)+
        count
    }};
    (@one $module:ident::$case:ident, $bench:expr, ($($argument:expr),*)) => {
        $module::$case($bench $(, $argument)*)
    };
}

/// The contract, for one kind of store.
pub struct Contract<F> {
    name: String,
    make: F,
    clock: Option<Arc<ManualClock>>,
}

impl<F> fmt::Debug for Contract<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contract").field("name", &self.name).field("clock", &self.clock).finish_non_exhaustive()
    }
}

impl<F> Contract<F> {
    /// For the stores that `make` returns, which the output calls `name`. They may share their counters, as those of
    /// one server do; each is open, for the suite closes some of them.
    #[must_use]
    pub fn new(name: impl Into<String>, make: F) -> Self {
        Self { name: name.into(), make, clock: None }
    }

    /// Says that `clock` is the one that the stores read, so that the suite may move it: what depends on a store's own
    /// time is verified too.
    #[must_use]
    pub fn with_clock(self, clock: Arc<ManualClock>) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Runs every case for every algorithm that the store declares, and prints how many those were.
    ///
    /// # Panics
    /// At the first case that does not hold: its name is the last that was written to standard error.
    pub async fn verify<S: RateLimiter>(self)
    where
        F: AsyncFn() -> S,
    {
        let store = Arc::new((self.make)().await);
        let algorithms = store.capabilities().algorithms;
        assert!(!algorithms.is_empty(), "a store that counts nothing");
        for &algorithm in algorithms {
            let mut cases = on_one_store(&store, algorithm).await;
            if let Some(clock) = &self.clock {
                cases += run_cases!(&store, algorithm, (clock), clock::{times_are_the_store_s, counters_end});
            }
            let closing = Arc::new((self.make)().await);
            cases += run_cases!(&closing, algorithm, (), lifecycle::{closed_stores_refuse});
            report(&self.name, algorithm, cases);
        }
    }
}

/// Runs the cases that need neither a clock nor a store of their own, and returns how many those were.
async fn on_one_store<S: RateLimiter>(store: &Arc<S>, algorithm: Algorithm) -> usize {
    let mut cases = run_cases!(store, algorithm, (),
        charges::{
            admits_the_limit_and_no_more, nothing_allowed, a_look_writes_nothing, a_look_says_when_it_is_over,
            a_look_asks_for_one_where_denials_do_not_count, late_costs,
            more_than_the_limit, refunds, denied_hits_uncounted, denied_hits_counted, huge_numbers,
            retry_after_is_the_first_chance, reset_after_empties, counters_are_apart,
            a_limit_that_is_raised_keeps_the_count, a_clock_that_is_a_little_behind,
        }
        lifecycle::{reset_forgets, the_provided_methods, try_check_charges_or_does_nothing}
        concurrency::{many_tasks_admit_exactly_the_limit, denied_tasks_are_all_counted}
        parity::{random_hits}
        groups::{an_empty_group, one_hit_after_another, the_same_counter_twice, many_hits}
    );
    #[cfg(feature = "calendar")]
    if algorithm == Algorithm::FixedWindow {
        cases += run_cases!(store, algorithm, (),
            calendar::{
                days_turn_at_local_midnight, months_are_real_ones, a_clock_behind_midnight, a_day_beside_a_second,
                random_days,
            }
        );
    }
    if algorithm == Algorithm::TokenBucket {
        cases += run_cases!(store, algorithm, (), charges::{a_burst_is_its_own_bound});
    }
    if store.capabilities().atomic_groups == AtomicGroups::Supported {
        cases += run_cases!(store, algorithm, (),
            groups::{
                limits_of_one_descriptor, limits_of_one_descriptor_in_shadow, a_refused_group_charges_what_was_over,
                a_refused_group_decides_nothing_anew, a_refused_group_of_one,
                shadow_hits_are_charged_in_any_case, a_refused_refund_is_not_applied,
                quotas_refuse_together, a_quota_that_passed_elsewhere, an_override_shares_its_counter,
            }
            concurrency::{atomic_groups_stay_level}
            parity::{random_groups}
        );
    }
    cases
}

#[allow(clippy::print_stdout, reason = "what a test ran, which its harness keeps to itself unless asked")]
fn report(name: &str, algorithm: Algorithm, cases: usize) {
    println!("contract: {name} × {algorithm}: {cases} cases");
}
