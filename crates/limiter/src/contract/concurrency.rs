//! Many tasks at once. Time stands still, so that nothing refills.

use tokio::task::JoinSet;

use super::*;

const TASKS: u64 = 64;
const HITS: u64 = 50;

/// Long enough for a storm, in a store that expires by its own clock.
fn hourly<S: RateLimiter>(bench: &Bench<S>, requests: u64, count_denied: bool) -> Limit {
    Limit::new(bench.algorithm, requests, Window::from(Unit::Hour), None, Some(count_denied)).expect("a limit")
}

async fn storm<S: RateLimiter>(bench: &Arc<Bench<S>>, limit: Limit) -> u64 {
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let bench = Arc::clone(bench);
        tasks.spawn(async move {
            let mut granted = 0;
            for _ in 0..HITS {
                granted += bench.one(Hit::new(bench.key("k"), limit, Charge::Take(1)), START).await.granted;
                tokio::task::yield_now().await;
            }
            granted
        });
    }
    tasks.join_all().await.into_iter().sum()
}

pub(super) async fn many_tasks_admit_exactly_the_limit<S: RateLimiter>(bench: Bench<S>) {
    let limit = hourly(&bench, 1000, false);
    assert_eq!(storm(&Arc::new(bench), limit).await, 1000);
}

pub(super) async fn denied_tasks_are_all_counted<S: RateLimiter>(bench: Bench<S>) {
    let bench = Arc::new(bench);
    let limit = hourly(&bench, 1000, true);
    assert_eq!(storm(&bench, limit).await, 1000);
    assert_eq!(bench.one(Hit::new(bench.key("k"), limit, Charge::LOOK), START).await.after, TASKS * HITS);
}

/// Groups name two counters in either order; both must always have been charged by the same groups.
pub(super) async fn atomic_groups_stay_level<S: RateLimiter>(bench: Bench<S>) {
    let bench = Arc::new(bench);
    let (wide, narrow) = (hourly(&bench, 5000, false), hourly(&bench, 700, false));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let bench = Arc::clone(&bench);
        tasks.spawn(async move {
            let mut passed = 0;
            for _ in 0..HITS {
                let mut hits = vec![
                    Hit { descriptor: 0, ..Hit::new(bench.key("wide"), wide, Charge::Take(1)) },
                    Hit { descriptor: 1, ..Hit::new(bench.key("narrow"), narrow, Charge::Take(1)) },
                ];
                if task % 2 == 0 {
                    hits.reverse();
                }
                let verdicts = bench.group(together(hits).atomic()).await;
                assert_eq!(verdicts[0].granted, verdicts[1].granted);
                passed += verdicts[0].granted;
                tokio::task::yield_now().await;
            }
            passed
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<u64>(), 700);
    for (name, limit) in [("wide", wide), ("narrow", narrow)] {
        assert_eq!(bench.one(Hit::new(bench.key(name), limit, Charge::LOOK), START).await.after, 700);
    }
}
