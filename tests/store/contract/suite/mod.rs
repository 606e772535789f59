//! The contract suite: what must hold for every store and every algorithm that it declares.
//!
//! It uses the `RateLimiter` trait alone, tells the time by `Group.now`, and keeps to counters of its own, so that it can
//! run beside others on a shared store. Charges are made at least a second before their counter expires.

mod calendar;
mod charges;
mod concurrency;
mod groups;
mod lifecycle;
mod parity;

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use limiter::domain::{
    Algorithm, AtomicGroups, Charge, CounterKey, Group, Hit, Limit, RateLimiter, Timestamp, Unit, Verdict, Window,
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

/// Runs cases one after another and counts them.
macro_rules! run_cases {
    ($store:expr, $algorithm:expr, $($module:ident::{$($case:ident),+ $(,)?})+) => {{
        let mut count = 0;
        $($(
            let name = concat!(stringify!($module), "::", stringify!($case));
            eprintln!("{}: {name}", $algorithm);
            $module::$case(Bench::new($store, $algorithm, name)).await;
            count += 1;
        )+)+
        count
    }};
}

/// Runs every case for every algorithm that the store declares; says how many those were.
#[allow(clippy::print_stdout)]
pub(crate) async fn run<S: RateLimiter>(name: &str, make: impl AsyncFn() -> S) {
    let store = Arc::new(make().await);
    let capabilities = store.capabilities();
    assert!(!capabilities.algorithms.is_empty(), "a store that counts nothing");
    for &algorithm in capabilities.algorithms {
        let mut cases = run_cases!(&store, algorithm,
            charges::{
                admits_the_limit_and_no_more, nothing_allowed, a_look_writes_nothing, a_look_says_when_it_is_over,
                a_look_asks_for_one_where_denials_do_not_count, late_costs,
                more_than_the_limit, refunds, denied_hits_uncounted, denied_hits_counted, huge_numbers,
                retry_after_is_the_first_chance, reset_after_empties, counters_are_apart,
                a_limit_that_is_raised_keeps_the_count, a_clock_that_is_a_little_behind,
            }
            lifecycle::{reset_forgets, the_provided_methods}
            concurrency::{many_tasks_admit_exactly_the_limit, denied_tasks_are_all_counted}
            parity::{random_hits}
            groups::{an_empty_group, one_hit_after_another, the_same_counter_twice, many_hits}
        );
        if algorithm == Algorithm::FixedWindow {
            cases += run_cases!(&store, algorithm,
                calendar::{
                    days_turn_at_local_midnight, months_are_real_ones, a_clock_behind_midnight, a_day_beside_a_second,
                    random_days,
                }
            );
        }
        if algorithm == Algorithm::TokenBucket {
            cases += run_cases!(&store, algorithm, charges::{a_burst_is_its_own_bound});
        }
        if capabilities.atomic_groups == AtomicGroups::Supported {
            cases += run_cases!(&store, algorithm,
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
        let closing = Arc::new(make().await);
        lifecycle::closed_stores_refuse(Bench::new(&closing, algorithm, "lifecycle::closed_stores_refuse")).await;
        println!("contract: {name} × {algorithm}: {} cases", cases + 1);
    }
}
