//! Where a call carries one key.

use super::*;

fn one_key(fake: Fake) -> Fake {
    Fake { keys_per_call: Arc::new(Mutex::new(Some(KeysPerCall::One))), ..fake }
}

/// A hit for each key, each of a descriptor of its own.
fn hits(keys: &[&str]) -> Group {
    Group::new((0..).zip(keys).map(|(descriptor, key)| Hit { descriptor, ..hit(key) }))
}

#[tokio::test(start_paused = true)]
async fn each_key_has_calls_of_its_own_at_the_same_time() {
    let fake = one_key(Fake::shut());
    let (store, stats) = fake.start(100);
    let asked = tokio::spawn(store.check(hits(&["a", "b", "a", "c"])));
    settle().await;
    assert_eq!(stats.in_flight(), 3, "they do not wait for each other");
    let checks = spawn(&store, ["a", "b", "a", "a"]);
    settle().await;
    fake.gate.add_permits(100);
    assert!(asked.await.expect("no panic").iter().all(Result::is_ok));
    assert!(checks.join_all().await.iter().all(|verdicts| verdicts[0].is_ok()));
    let keys = fake.keys();
    assert!(keys.iter().all(|keys| keys.len() == 1), "{keys:?}");
    let of_a = keys.iter().filter(|keys| keys[0] == "a").count();
    assert_eq!(of_a, 2, "three that waited for one key share a call: {keys:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_all_or_nothing_is_refused_and_its_neighbours_are_counted() {
    let fake = one_key(Fake::open());
    let (store, stats) = fake.start(100);
    let limits = Group::new([hit("a1"), hit("a2"), Hit { descriptor: 1, ..hit("b") }]);
    let verdicts = store.check(limits).await;
    assert_eq!((verdicts[0], verdicts[1]), (Err(StoreError::Divided), Err(StoreError::Divided)));
    assert!(verdicts[2].is_ok());
    assert_eq!(store.check(hits(&["a", "b"]).atomic()).await.to_vec(), [Err(StoreError::Divided); 2]);
    assert!(store.check(hits(&["a"]).atomic()).await[0].is_ok(), "one counter is always charged whole");
    assert_eq!(fake.keys(), [["b"], ["a"]]);
    assert_eq!(stats.failed().find(|(how, _)| *how == "divided"), Some(("divided", 2)));
}

#[tokio::test(start_paused = true)]
async fn each_server_that_lacks_the_script_is_sent_it_with_the_key() {
    let fake = one_key(Fake::shut());
    fake.state.lock().expect("a lock").errors.extend(["NOSCRIPT No matching script."; 2].map(refused));
    let (store, _) = fake.start(100);
    let asked = tokio::spawn(store.check(hits(&["a", "b"])));
    settle().await;
    fake.gate.add_permits(100);
    assert!(asked.await.expect("no panic").iter().all(Result::is_ok));
    let mut calls: Vec<_> = fake.scripts().into_iter().zip(fake.keys()).collect();
    calls.sort_by_key(|(script, keys)| (*script == Script::Text, keys.clone()));
    let wanted = [(Script::Sha1, "a"), (Script::Sha1, "b"), (Script::Text, "a"), (Script::Text, "b")];
    assert_eq!(calls, wanted.map(|(script, key)| (script, vec![key.to_owned()])));
}

#[tokio::test(start_paused = true)]
async fn until_the_peer_is_known_calls_carry_one_key_and_what_has_several_is_the_clients_to_refuse() {
    let fake = Fake { keys_per_call: Arc::default(), ..Fake::open() };
    let (store, _) = fake.start(100);
    assert!(store.check(hits(&["a", "b"])).await.iter().all(Result::is_ok));
    assert!(fake.keys().iter().all(|keys| keys.len() == 1));
    fake.state.lock().expect("a lock").errors.extend([CallError::ManyKeys]);
    assert_eq!(store.check(hits(&["a", "b"]).atomic()).await.to_vec(), [Err(StoreError::Divided); 2]);
    assert!(store.check(hits(&["a", "b"]).atomic()).await.iter().all(Result::is_ok), "it is a redis");
    assert_eq!(fake.keys().last().map(Vec::len), Some(2));
}

/// The peer turned out to be a proxy after the call was put together.
#[tokio::test(start_paused = true)]
async fn a_call_of_many_keys_is_sent_apart_if_the_client_says_so() {
    let fake = Fake::failing([CallError::ManyKeys]);
    let (store, stats) = fake.start(100);
    let checks = spawn(&store, ["a", "b"]);
    assert!(checks.join_all().await.iter().all(|verdicts| verdicts[0].is_ok()));
    let mut keys = fake.keys();
    keys[1..].sort();
    assert_eq!(keys, [vec!["a", "b"], vec!["a"], vec!["b"]]);
    assert_eq!(stats.failed().map(|(_, count)| count).sum::<u64>(), 0);
}
