//! What is counted by plain commands, and what is left to the script.

use std::num::NonZeroU64;

use limiter::domain::Algorithm;

use super::*;

const MINUTE_OF_THERE: &str = "999999960";

/// A Redis whose time is known, which takes plain commands and answers them with this.
fn fake(ends_with: Result<i64, CallError>) -> Fake {
    let fake = Fake::open();
    {
        let mut state = fake.state.lock().expect("a lock");
        let time = ServerTime { now: THERE, since: Timestamp::from_micros(0), is_fresh: true };
        state.server = Server { time, names_windows: true, plain_commands: true };
        state.additions_end_with = ends_with;
    }
    fake
}

fn additions(fake: &Fake) -> Vec<Addition> {
    fake.state.lock().expect("a lock").additions.iter().map(|(_, addition)| addition.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_fixed_window_that_is_alone_is_counted_without_the_script() {
    let fake = fake(Ok(4));
    let (store, stats) = fake.start(10);
    let verdict = store.check(group("{a}f60")).await.remove(0).expect("a verdict");
    assert_eq!((verdict.allowed, verdict.before, verdict.after, verdict.remaining), (false, 3, 4, 0));
    let left = Duration::from_secs(999_999_960 + 60) - Duration::from_micros(THERE.as_micros());
    assert_eq!(verdict.reset_after, left);
    let [addition] = additions(&fake).try_into().expect("one");
    assert_eq!(addition.name, format!("{{a}}f60@{MINUTE_OF_THERE}").as_bytes());
    assert_eq!((addition.amount.get(), addition.lifetime), (1, left + Duration::from_secs(3) + TIMEOUT));
    assert_eq!((fake.scripts().len(), stats.calls(), stats.plain(), stats.in_flight()), (0, 1, 1, 0));
    assert_eq!((stats.entries(), stats.checks(), stats.call_times().count()), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn equal_checks_are_one_addition_whose_count_is_shared_out_in_order() {
    let fake = Fake { has_slots: true, ..fake(Ok(5)) };
    let (store, _) = fake.start(10);
    fake.state.lock().expect("a lock").server.plain_commands = false;
    let gate = fake.gate.forget_permits(usize::MAX);
    let first = spawn(&store, ["{a}f60"]);
    settle().await;
    fake.state.lock().expect("a lock").server.plain_commands = true;
    let rest = spawn(&store, ["{a}f60"; 3]);
    settle().await;
    fake.gate.add_permits(gate);
    first.join_all().await;
    let verdicts = rest.join_all().await;
    let mut counts: Vec<_> =
        verdicts.iter().map(|one| one[0].map(|one| (one.before, one.after, one.allowed))).collect();
    counts.sort_by_key(|count| count.map(|(before, ..)| before).expect("a verdict"));
    assert_eq!(counts, [Ok((2, 3, true)), Ok((3, 4, false)), Ok((4, 5, false))]);
    assert_eq!(additions(&fake).iter().map(|one| one.amount.get()).collect::<Vec<_>>(), [3]);
}

#[tokio::test(start_paused = true)]
async fn everything_else_is_left_to_the_script() {
    let limit = |algorithm, count_denied| {
        Limit::new(algorithm, 3, Unit::Minute.into(), None, Some(count_denied)).expect("a limit")
    };
    let with = |change: fn(&mut Hit)| {
        let mut hit = hit("{a}f60");
        change(&mut hit);
        Group::single(hit)
    };
    let other_limit = |limit| Group::single(Hit { limit, ..hit("{a}f60") });
    let pair = Group::new(vec![hit("{a}f60"), Hit { descriptor: 1, ..hit("{a}f61") }]);
    for (what, group) in [
        ("a look", with(|hit| hit.charge = Charge::LOOK)),
        ("a refund", with(|hit| hit.charge = Charge::Give(1))),
        ("denied hits that are not charged", other_limit(limit(Algorithm::FixedWindow, false))),
        ("a sliding window", other_limit(limit(Algorithm::SlidingWindow, true))),
        ("a token bucket", other_limit(limit(Algorithm::TokenBucket, true))),
        ("a refused atomic group", Group { refused: true, ..group("{a}f60").atomic() }),
        ("a group", pair),
        ("no hash tag", group("a|f60")),
        ("a time of its own", group("{a}f60").at(THERE)),
        ("more than a counter can hold", with(|hit| hit.charge = Charge::Take(u64::MAX))),
    ] {
        let fake = fake(Ok(1));
        let (store, stats) = fake.start(10);
        // the fake always charges, so looks and the like end with an error
        let _ = store.check(group).await;
        assert_eq!((fake.scripts().len(), additions(&fake).len(), stats.plain()), (1, 0, 0), "{what}");
    }
    type Change = fn(&mut Server);
    let changes: [(&str, Change); 3] = [
        ("a clock that is not known", |server| server.time.is_fresh = false),
        ("a window that may have a counter to import", |server| server.time.since = THERE),
        ("plain commands that are refused or switched off", |server| server.plain_commands = false),
    ];
    for (what, change) in changes {
        let fake = fake(Ok(1));
        change(&mut fake.state.lock().expect("a lock").server);
        let (store, _) = fake.start(10);
        store.check(group("{a}f60")).await[0].expect("a verdict");
        assert_eq!((fake.scripts().len(), additions(&fake).len()), (1, 0), "{what}");
        assert_eq!(fake.keys(), [[format!("{{a}}f60@{MINUTE_OF_THERE}")]], "{what}: the same counter");
    }
}

#[tokio::test(start_paused = true)]
async fn a_counter_that_may_have_to_be_imported_is_counted_by_the_script_once() {
    let fake = fake(Ok(2));
    fake.state.lock().expect("a lock").server.time.since = THERE;
    let (store, _) = fake.start(10);
    for key in ["{a}f60", "{a}f60", "{b}f60", "{a}f60"] {
        store.check(group(key)).await[0].expect("a verdict");
    }
    assert_eq!(fake.keys(), ["a", "b"].map(|key| [format!("{{{key}}}f60@{MINUTE_OF_THERE}")]));
    assert_eq!(additions(&fake).len(), 2);
    // a look creates no counter
    let _ = store.check(Group::single(Hit { charge: Charge::LOOK, ..hit("{c}f60") })).await;
    store.check(group("{c}f60")).await[0].expect("a verdict");
    assert_eq!((fake.keys().len(), additions(&fake).len()), (4, 2));
}

#[tokio::test(start_paused = true)]
async fn what_redis_refuses_by_plain_commands_is_left_to_the_script_and_nothing_else_is() {
    let no_permission = "NOPERM this user has no permissions to run the 'incrby' command";
    for text in [no_permission, "ERR value is not an integer or out of range", "MOVED 1 a:1"] {
        let fake = fake(Err(refused(text)));
        let (store, _) = fake.start(10);
        assert!(store.check(group("{a}f60")).await[0].expect("a verdict").allowed, "{text}");
        assert_eq!((fake.scripts().len(), additions(&fake).len()), (1, 1), "{text}");
    }
    for (error, outcome) in [
        (CallError::Unanswered("lost".into()), StoreError::Unanswered),
        (CallError::Unreachable, StoreError::Unreachable),
        (CallError::Tripped, StoreError::Tripped),
        (CallError::Unreadable("nil".into()), StoreError::Unreadable),
    ] {
        let fake = fake(Err(error));
        let (store, _) = fake.start(10);
        assert_eq!(store.check(group("{a}f60")).await[0], Err(outcome));
        assert_eq!(fake.scripts().len(), 0, "{outcome:?}: it may have been counted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_count_beyond_all_bounds_is_read_as_the_largest() {
    let fake = fake(Ok(i64::MAX));
    let (store, _) = fake.start(10);
    let verdict = store.check(group("{a}f60")).await.remove(0).expect("a verdict");
    assert!(!verdict.allowed && verdict.after == limiter::domain::MAX_COUNT, "{verdict:?}");
    let amount = additions(&fake)[0].amount;
    assert_eq!(amount, NonZeroU64::MIN);
}
