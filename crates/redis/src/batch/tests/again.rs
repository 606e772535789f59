//! What is sent a second time, and what is not.

use super::*;

/// A store of one slot whose first call is on its way, so that what is asked now leaves together in the second.
async fn behind_a_first_call(fake: &Fake) -> (Arc<RedisStore<Fake>>, JoinSet<Verdicts>) {
    let (store, _) = fake.start(100);
    let first = spawn(&store, ["{a}0"]);
    settle().await;
    (store, first)
}

#[tokio::test(start_paused = true)]
async fn a_call_is_sent_again_only_after_what_proves_that_nothing_ran_and_once() {
    use Script::{Sha1, Text};
    let late = || refused("LOADING Redis is loading the dataset in memory");
    let not_ready = StoreError::Refused(Refusal::NotReady);
    for (errors, scripts, error) in [
        (vec![refused("NOSCRIPT No matching script.")], vec![Sha1, Text], None),
        (vec![late()], vec![Sha1, Sha1], None),
        (vec![late(), refused("NOSCRIPT x")], vec![Sha1, Sha1, Text], None),
        (vec![refused("NOSCRIPT x"), late()], vec![Sha1, Text, Text], None),
        (
            vec![refused("NOSCRIPT x"), refused("NOSCRIPT x")],
            vec![Sha1, Text],
            Some(StoreError::Refused(Refusal::Other)),
        ),
        (vec![late(), late()], vec![Sha1, Sha1], Some(not_ready)),
        (vec![refused("BUSY Redis is busy"), refused("MASTERDOWN x")], vec![Sha1, Sha1], Some(not_ready)),
        (vec![refused("OOM command not allowed")], vec![Sha1], Some(StoreError::Refused(Refusal::OutOfMemory))),
        (vec![refused("ERR whatever")], vec![Sha1], Some(StoreError::Refused(Refusal::Other))),
        (vec![refused("WRONGPASS x")], vec![Sha1], Some(StoreError::Refused(Refusal::NotPermitted))),
        (vec![CallError::Unanswered("lost".into())], vec![Sha1], Some(StoreError::Unanswered)),
        (vec![CallError::Unreadable("nil".into())], vec![Sha1], Some(StoreError::Unreadable)),
        (vec![CallError::Unreachable], vec![Sha1], Some(StoreError::Unreachable)),
    ] {
        let fake = Fake::failing(errors.clone());
        let (store, _) = fake.start(10);
        let verdict = store.check(group("a")).await.remove(0);
        assert_eq!(verdict.err(), error, "{errors:?}");
        assert_eq!(fake.scripts(), scripts, "{errors:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_only_node_makes_the_client_look_for_the_primary() {
    let fake = Fake::open();
    fake.state.lock().expect("a lock").group_error = Some("READONLY You can't write against a read only replica.");
    let (store, stats) = fake.start(10);
    assert!(store.check(group("a")).await[0].expect("the second call passes").allowed);
    assert_eq!(fake.state.lock().expect("a lock").reconnections, 1);
    assert_eq!(stats.resent().find(|(code, _)| *code == "readonly"), Some(("readonly", 1)));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_cannot_be_served_whole_is_sent_in_parts() {
    let fake = Fake { has_slots: true, ..Fake::shut() };
    let (store, _) = fake.start(10);
    let first = spawn(&store, ["{a}0"]);
    settle().await;
    let rest = spawn(&store, ["{a}1", "{a}2", "{b}3"]);
    settle().await;
    assert_eq!(fake.keys(), [["{a}0"], ["{b}3"]], "one call in flight for a slot; another slot does not wait for it");
    // a part may be redirected too often, as its slot has just moved: that is a refusal of another kind
    for error in ["TRYAGAIN Multiple keys", "MOVED 1 127.0.0.1:1"] {
        fake.state.lock().expect("a lock").errors.push_back(refused(error));
    }
    fake.gate.add_permits(100);
    first.join_all().await;
    assert!(rest.join_all().await.iter().all(|verdicts| verdicts[0].is_ok()));
    assert_eq!(fake.keys()[2..], [vec!["{a}1", "{a}2"], vec!["{a}1"], vec!["{a}2"], vec!["{a}1"]]);
}

#[tokio::test(start_paused = true)]
async fn parts_that_are_sent_apart_do_not_wait_for_each_other() {
    let fake = Fake { has_slots: true, ..Fake::shut() };
    let (store, first) = behind_a_first_call(&fake).await;
    let rest = spawn(&store, ["{a}1", "{a}2", "{a}3"]);
    settle().await;
    let start = Instant::now();
    fake.state.lock().expect("a lock").errors.push_back(refused("TRYAGAIN Multiple keys"));
    // for the first call and the refusal; then the node hangs
    fake.gate.add_permits(2);
    first.join_all().await;
    for verdicts in rest.join_all().await {
        assert_eq!(verdicts[0], Err(StoreError::Unanswered));
    }
    assert_eq!(start.elapsed(), TIMEOUT, "they all had the same deadline");
    assert_eq!(fake.keys()[2..], [["{a}1"], ["{a}2"], ["{a}3"]]);
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_sent_apart_may_load_the_script() {
    let fake = Fake { has_slots: true, ..Fake::shut() };
    let (store, first) = behind_a_first_call(&fake).await;
    let rest = spawn(&store, ["{a}1", "{a}2"]);
    settle().await;
    let errors = [refused("TRYAGAIN Multiple keys"), refused("NOSCRIPT No matching script.")];
    fake.state.lock().expect("a lock").errors.extend(errors);
    fake.gate.add_permits(100);
    first.join_all().await;
    assert!(rest.join_all().await.iter().all(|verdicts| verdicts[0].is_ok()), "{:?}", fake.keys());
    assert_eq!(fake.scripts().iter().filter(|script| **script == Script::Text).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn abandoned_checks_are_not_sent_again() {
    let fake = Fake { has_slots: true, ..Fake::shut() };
    let (store, first) = behind_a_first_call(&fake).await;
    let stay = spawn(&store, ["{a}1", "{a}2"]);
    let mut leave = spawn(&store, ["{a}2", "{a}3"]);
    settle().await;
    fake.state.lock().expect("a lock").errors.push_back(refused("LOADING Redis is loading the dataset in memory"));
    fake.gate.add_permits(1);
    first.join_all().await;
    settle().await;
    assert_eq!(fake.keys()[1], ["{a}1", "{a}2", "{a}3"]);
    leave.shutdown().await;
    fake.gate.add_permits(100);
    assert!(stay.join_all().await.iter().all(|verdicts| verdicts[0].is_ok()));
    let state = fake.state.lock().expect("a lock");
    assert_eq!((&state.calls[2].2[..], state.calls[2].3), (&["{a}1".to_owned(), "{a}2".to_owned()][..], 2));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_kept_in_the_pause_before_a_call_is_sent_again() {
    let fake = Fake { has_slots: true, ..Fake::shut() };
    let (store, first) = behind_a_first_call(&fake).await;
    let start = Instant::now();
    let deadline = Some((start + Duration::from_millis(5)).into_std());
    let rest = spawn(&store, ["{a}1"]);
    let soon = tokio::spawn({
        let store = Arc::clone(&store);
        async move { (store.check(Group { deadline, ..group("{a}2") }).await[0], start.elapsed().as_millis()) }
    });
    settle().await;
    fake.state.lock().expect("a lock").errors.push_back(refused("LOADING Redis is loading the dataset in memory"));
    fake.gate.add_permits(100);
    first.join_all().await;
    assert_eq!(soon.await.expect("no panic"), (Err(StoreError::Expired), 5), "nothing of it ran");
    assert!(rest.join_all().await[0][0].is_ok());
    assert_eq!(fake.keys()[2], ["{a}1"]);
}

#[tokio::test(start_paused = true)]
async fn a_calendar_is_sent_again_for_the_time_of_the_server() {
    let fake = Fake::open();
    fake.state.lock().expect("a lock").group_error = Some("CLOCK the windows were sent for another time");
    let (store, stats) = fake.start(10);
    let zone = TimeZone::from_name("Europe/Berlin").expect("a time zone");
    let window = Window::by_calendar(Unit::Day, NonZeroU32::MIN, zone).expect("a window");
    let day = || Group::single(Hit { limit: Limit::fixed_window(3, window), ..hit("a") });
    // what ends the only kind: the bounds of five windows
    let bounds = || -> Vec<f64> {
        let kinds = fake.state.lock().expect("a lock").kinds.clone();
        let (eights, _) = kinds[kinds.len() - 48..].as_chunks::<8>();
        eights.iter().map(|eight| f64::from_le_bytes(*eight)).collect()
    };
    let calendar = window.calendar().expect("a calendar");
    assert_eq!(store.check(day()).await[0].expect("the second call passes").after, 1);
    assert_eq!(bounds(), calendar.around(THERE));
    assert_eq!(stats.resent().find(|(code, _)| *code == "clock"), Some(("clock", 1)));
    assert!(store.check(day()).await[0].is_ok());
    assert_eq!(bounds(), calendar.around(THERE), "it is remembered");
    assert_eq!(fake.scripts().len(), 3);
}
