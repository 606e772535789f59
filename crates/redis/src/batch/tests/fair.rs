//! Requests of many descriptors beside requests of few.

use super::*;
use limiter::domain::Verdict;

/// A request of so many descriptors, each with these limits.
fn many(descriptors: u32, limits: u32) -> Group {
    let hits = (0..descriptors).flat_map(|descriptor| {
        (0..limits).map(move |limit| Hit { descriptor, ..hit(&format!("{descriptor:04}:{limit}")) })
    });
    Group::new(hits)
}

fn check(store: &Arc<RedisStore<Fake>>, group: Group) -> tokio::task::JoinHandle<Verdicts> {
    let store = Arc::clone(store);
    tokio::spawn(async move { store.check(group).await })
}

#[tokio::test(start_paused = true)]
async fn a_large_request_lets_others_between() {
    let fake = Fake::shut();
    let (store, _) = fake.start(100);
    let large = check(&store, many(1300, 1));
    settle().await;
    let busy = spawn(&store, ["other"]);
    settle().await;
    let small = spawn(&store, ["small"]);
    settle().await;
    fake.gate.add_permits(100);
    let verdicts: Vec<Verdict> = large.await.expect("no panic").into_iter().map(|one| one.expect("ok")).collect();
    assert_eq!(verdicts.len(), 1300);
    busy.join_all().await;
    small.join_all().await;
    let keys = fake.keys();
    let sizes: Vec<_> = keys.iter().map(Vec::len).collect();
    assert!(sizes.iter().all(|size| *size <= 513), "{sizes:?}");
    let all: Vec<_> = keys.concat();
    let place = |name: &str| all.iter().position(|key| key == name).expect("it was asked for");
    assert!(place("small") < place("1299:0"), "{sizes:?}");
    let in_order: Vec<_> = all.iter().filter(|key| key.contains(':')).cloned().collect();
    assert_eq!(in_order, (0..1300).map(|number| format!("{number:04}:0")).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn descriptors_stay_whole_and_so_does_what_is_all_or_nothing() {
    let fake = Fake::open();
    let (store, _) = fake.start(100);
    assert_eq!(store.check(many(300, 3)).await.len(), 900);
    let sizes = |fake: &Fake| fake.keys().iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(sizes(&fake), [510, 390]);
    assert_eq!(store.check(many(600, 1).atomic()).await.len(), 600);
    assert_eq!(sizes(&fake)[2..], [600]);
}

#[tokio::test(start_paused = true)]
async fn the_parts_of_a_large_request_share_its_deadline() {
    let fake = Fake::shut();
    let (store, _) = fake.start(100);
    let start = Instant::now();
    fake.gate.add_permits(1);
    let verdicts = store.check(many(1300, 1)).await;
    assert_eq!(start.elapsed(), TIMEOUT);
    assert!(verdicts[..512].iter().all(Result::is_ok));
    assert!(verdicts[512..1024].iter().all(|one| *one == Err(StoreError::Unanswered)));
    assert!(verdicts[1024..].iter().all(|one| *one == Err(StoreError::Expired)), "{:?}", verdicts[1024]);
    assert_eq!(fake.keys().len(), 2);
}
