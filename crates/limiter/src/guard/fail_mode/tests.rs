//! A limiter that fails, and how each mode replaces its failures.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use super::*;
use crate::domain::{Algorithm, Limit, Unit};

/// Fails while `down` is set; else allows every hit. Records the groups that it was asked for.
#[derive(Clone, Debug, Default)]
struct Fake {
    down: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<Group>>>,
}

impl RateLimiter for Fake {
    fn begin(&self, group: Arc<Group>) -> impl Future<Output = Verdicts> + Send + use<> {
        let down = self.down.load(SeqCst);
        let answer = |hit: &Hit| if down { Err(StoreError::Unreachable) } else { Ok(allowed(hit)) };
        let verdicts: Verdicts = group.hits.iter().map(answer).collect();
        self.asked.lock().expect("no panic").push(Arc::unwrap_or_clone(group));
        std::future::ready(verdicts)
    }

    fn try_check(&self, _: &Group) -> Option<Verdicts> {
        None
    }

    async fn reset(&self, _: &CounterKey, _: &Limit) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    async fn close(&self) {}
}

struct Bench {
    store: Fake,
    local: Arc<Fake>,
    stats: Arc<DegradedStats>,
    limiter: FailMode<Fake, Fake>,
}

fn bench() -> Bench {
    let (store, local, stats) = (Fake::default(), Arc::new(Fake::default()), Arc::default());
    store.down.store(true, SeqCst);
    let three = NonZeroU32::new(3).expect("not zero");
    let limiter = FailMode::new(store.clone(), Arc::clone(&local), three, Arc::clone(&stats));
    Bench { store, local, stats, limiter }
}

fn hit(descriptor: u32, mode: FailureMode) -> Hit {
    let key = CounterKey::from_bytes(format!("{descriptor}").as_bytes());
    let hit = Hit::new(key, Limit::fixed_window(10, Unit::Minute), Charge::Take(2));
    Hit { descriptor, on_store_failure: mode, ..hit }
}

fn all() -> Group {
    Group::new((0..).zip(FailureMode::ALL).map(|(number, mode)| hit(number, mode)))
}

#[tokio::test]
async fn each_hit_is_answered_by_its_own_mode() {
    let bench = bench();
    let verdicts = bench.limiter.check(all()).await;
    assert_eq!(verdicts[0], Err(StoreError::Unreachable));
    let [allowed, denied, local] = [1, 2, 3].map(|at| verdicts[at].expect("a verdict"));
    assert!(allowed.allowed && !denied.allowed && local.allowed);
    assert_eq!((allowed.remaining, allowed.before, allowed.after, allowed.granted), (8, 0, 2, 2));
    assert_eq!((denied.remaining, denied.granted, denied.reset_after), (0, 0, Duration::from_secs(1)));
    assert!([allowed, denied, local].iter().all(|verdict| verdict.source == Source::Degraded));
    assert_eq!(bench.stats.hits().collect::<Vec<_>>(), [("allow", 1), ("deny", 1), ("local", 1)]);
}

#[tokio::test]
async fn local_counting_uses_the_share_of_one_process() {
    let bench = bench();
    bench.limiter.check(all().atomic()).await;
    let asked = bench.local.asked.lock().expect("no panic");
    assert_eq!(asked.len(), 1);
    let group = &asked[0];
    assert!(group.atomic);
    assert_eq!(group.hits.len(), 1);
    assert_eq!(group.hits[0].limit.requests(), 3);
}

#[tokio::test]
async fn answers_of_the_store_are_left_as_they_are() {
    let bench = bench();
    bench.store.down.store(false, SeqCst);
    let verdicts = bench.limiter.check(all()).await;
    assert!(verdicts.iter().all(Result::is_ok));
    assert!(bench.local.asked.lock().expect("no panic").is_empty());
    assert_eq!(bench.stats.hits().map(|(_, hits)| hits).sum::<u64>(), 0);
}

#[tokio::test]
async fn a_quota_that_passed_in_the_store_is_passed_on_to_the_local_store() {
    let bench = bench();
    let quota = |number, mode| Hit { quota: true, ..hit(number, mode) };
    let hits = [quota(0, FailureMode::Local), quota(1, FailureMode::Allow)];
    bench.limiter.check(Group::new(hits)).await;
    let hits = [quota(0, FailureMode::Local), quota(1, FailureMode::Deny)];
    bench.limiter.check(Group::new(hits)).await;
    let asked = bench.local.asked.lock().expect("no panic");
    assert_eq!(asked.iter().map(|group| group.quota_passed).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn an_atomic_group_that_another_hit_denies_is_not_charged_locally() {
    use FailureMode::{Allow, Deny, Local};
    let quota = |hit| Hit { quota: true, ..hit };
    let shadow = |hit| Hit { shadow: true, ..hit };
    // a second limit of the first descriptor
    let second = |mode| Hit { descriptor: 0, ..hit(9, mode) };
    let local = || hit(1, Local);
    for (hits, refused) in [
        (vec![hit(0, Deny), local()], true),
        (vec![local(), hit(2, Deny)], true),
        (vec![hit(0, Allow), local()], false),
        (vec![hit(0, Allow), second(Deny), local()], true),
        (vec![shadow(hit(0, Deny)), local()], false),
        // the other quota, which is counted locally, may still pass
        (vec![quota(hit(0, Deny)), quota(local())], false),
        (vec![quota(hit(0, Deny)), local()], true),
        (vec![quota(hit(0, Deny)), quota(hit(2, Allow)), local()], false),
        (vec![quota(hit(0, FailureMode::Error)), quota(hit(2, Deny)), local()], false),
    ] {
        let bench = bench();
        bench.limiter.check(Group::new(hits.clone()).atomic()).await;
        bench.limiter.check(Group::new(hits.clone())).await;
        let asked = bench.local.asked.lock().expect("no panic");
        assert_eq!(asked.iter().map(|group| group.refused).collect::<Vec<_>>(), [refused, false], "{hits:?}");
    }
}

#[tokio::test]
async fn a_quota_of_two_limits_passes_only_if_both_do() {
    let bench = bench();
    let quota = |number, descriptor, mode| Hit { quota: true, descriptor, ..hit(number, mode) };
    let hits = [quota(0, 0, FailureMode::Allow), quota(1, 0, FailureMode::Deny), quota(2, 1, FailureMode::Local)];
    bench.limiter.check(Group::new(hits)).await;
    assert!(!bench.local.asked.lock().expect("no panic")[0].quota_passed);
}

#[tokio::test]
async fn refunds_pass_in_every_mode_and_looks_do_not() {
    let bench = bench();
    let give = Hit { charge: Charge::Give(3), ..hit(0, FailureMode::Deny) };
    let look = Hit { charge: Charge::LOOK, ..hit(0, FailureMode::Deny) };
    assert!(bench.limiter.check(Group::single(give)).await[0].expect("a verdict").allowed);
    assert!(!bench.limiter.check(Group::single(look)).await[0].expect("a verdict").allowed);
}

#[test]
fn a_share_is_at_least_one_unless_the_limit_is_zero() {
    let share = |requests, of| {
        let limit = Limit::new(Algorithm::TokenBucket, requests, Unit::Second.into(), Some(requests * 2 + 1), None);
        let limit = limit.expect("a limit").share(NonZeroU32::new(of).expect("not zero"));
        (limit.requests(), limit.burst())
    };
    assert_eq!([share(10, 1), share(10, 3), share(2, 3), share(0, 3)], [(10, 21), (3, 7), (1, 1), (0, 0)]);
}
