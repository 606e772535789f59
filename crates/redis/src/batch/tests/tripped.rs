//! Checks that arrive while the breaker is open.

use super::*;

#[tokio::test(start_paused = true)]
async fn later_callers_do_not_wait_for_calls_that_hang() {
    let fake = Fake::shut();
    let (store, stats) = fake.start(1000);
    let mut hung = spawn(&store, ["a"]);
    settle().await;
    hung.spawn({
        let store = Arc::clone(&store);
        async move { store.check(group("b")).await }
    });
    settle().await;
    // by the calls of another worker
    fake.state.lock().expect("a lock").tripped = true;
    let before = Instant::now();
    assert_eq!(store.check(group("c")).await[0], Err(StoreError::Tripped));
    assert_eq!(before.elapsed(), Duration::ZERO);
    for outcome in hung.join_all().await {
        assert_eq!(outcome[0], Err(StoreError::Unanswered));
    }
    assert_eq!(fake.keys(), [["a"], ["b"]]);
    assert_eq!(stats.failed().find(|(kind, _)| *kind == "breaker_open"), Some(("breaker_open", 1)));

    fake.state.lock().expect("a lock").tripped = false;
    fake.gate.add_permits(1);
    store.check(group("c")).await[0].expect("a verdict");
}
