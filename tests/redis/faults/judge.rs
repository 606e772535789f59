//! What must hold for a run on any machine: outcomes, and that nothing accumulates. No durations.

use std::time::{Duration, Instant};

use crate::faults::{
    drive::Run,
    load::{Mode, Outcome, Sample},
    row::{Answers, Breaker},
    stage::{LIMIT, REPLICAS},
};

/// Connections that Envoy may have opened only after the first count: one for each of its workers.
const LATE_CONNECTIONS: u64 = 2;
/// The number of tasks per such connection.
const TASKS: u64 = 2;

/// How long a denial by Redis may be repeated without asking it (docs/redis.md).
const REMEMBERED: Duration = Duration::from_secs(1);

/// Panics with what does not hold.
pub fn hold(run: &Run) {
    for sample in run.all() {
        plausible(run, sample);
    }
    breaker(run);
    if run.row.answers == Answers::Some {
        let during = || run.all().filter(|sample| sample.sent >= run.there && sample.done() <= run.ended);
        let of_redis = during().filter(|sample| sample.is_of_redis()).count();
        assert!((1..during().count()).contains(&of_redis), "{}: {of_redis} of {}", run.row.name, during().count());
    }
    let (since, until) = run.settled();
    for mode in &run.modes {
        for (point, samples) in [("Envoy", &run.envoy), ("Tollgate", &run.direct)] {
            let own: Vec<_> = samples.iter().filter(|sample| sample.mode == *mode).collect();
            answers(run, &format!("{}, {mode}, at {point}", run.row.name), &own, (since, until));
        }
    }
    nothing_accumulates(run);
}

/// Every answer is possible for its mode.
fn plausible(run: &Run, sample: &Sample) {
    let name = run.row.name;
    match (sample.outcome, sample.degraded, sample.mode) {
        (Outcome::Hung, ..) => panic!("{name}: nobody answers {sample:?}"),
        (Outcome::Error, _, mode) => assert_eq!(mode, Mode::Error, "{name}: {sample:?}"),
        (_, true, mode) => assert_ne!(mode, Mode::Error, "{name}: {sample:?}"),
        (Outcome::Over, false, _) => assert!(sample.tight, "{name}: over a wide limit, {sample:?}"),
        (Outcome::Pass, false, _) => {}
    }
    if sample.degraded {
        let expected = match sample.mode {
            Mode::Allow => Outcome::Pass,
            Mode::Deny => Outcome::Over,
            // local counting has a limit too
            _ if sample.tight => return,
            _ => Outcome::Pass,
        };
        assert_eq!(sample.outcome, expected, "{name}: {sample:?}");
    }
    // before and after the fault Redis decides, or is too late
    let well = sample.done() < run.began;
    let late = sample.took >= run.deadline / 2;
    assert!(!well || sample.is_of_redis() || late, "{name}: while all was well, {sample:?}");
}

fn breaker(run: &Run) {
    let name = run.row.name;
    let opened = run.after.opened - run.before.opened;
    match run.row.breaker {
        Breaker::Opens => assert!(opened > 0, "{name}: the breaker has not opened"),
        Breaker::Stays => assert_eq!(opened, 0, "{name}: the breaker has opened"),
        Breaker::Either => {}
    }
    assert!(!run.turns.is_open(), "{name}: the breaker has not closed");
}

/// The answers of one mode at one point during the fault.
fn answers(run: &Run, name: &str, samples: &[&Sample], (since, until): (Instant, Instant)) {
    let settled: Vec<_> = samples.iter().filter(|sample| sample.sent >= since && sample.done() <= until).collect();
    assert!(!settled.is_empty(), "{name}: nobody asked");
    let of_redis = settled.iter().filter(|sample| sample.is_of_redis()).count();
    match run.row.answers {
        Answers::None => {
            // on a slow machine the tight counter is over its limit before the fault begins
            let remembered =
                |sample: &Sample| sample.outcome == Outcome::Over && sample.tight && sample.sent < since + REMEMBERED;
            let of_redis = settled.iter().filter(|sample| sample.is_of_redis() && !remembered(sample)).count();
            assert_eq!(of_redis, 0, "{name}: answers of Redis, of {}", settled.len());
        }
        Answers::All => {
            assert!(of_redis * 2 > settled.len(), "{name}: {of_redis} of {}", settled.len());
            let early = settled.iter().find(|sample| !sample.is_of_redis() && sample.took < run.deadline / 2);
            assert!(early.is_none(), "{name}: {early:?}");
        }
        Answers::Some | Answers::Soon => {}
    }
    // a tight counter allows its share locally, and the whole limit in Redis, once each
    let passed = |degraded| {
        let tight = samples.iter().filter(|sample| sample.tight && sample.degraded == degraded);
        tight.filter(|sample| sample.outcome == Outcome::Pass).count() as u64
    };
    let times = if run.row.answers == Answers::Soon { 2 } else { 1 };
    assert!(passed(false) <= times * LIMIT, "{name}: {} passed at Redis, of {LIMIT}", passed(false));
    if samples.iter().all(|sample| sample.mode == Mode::Local) {
        let share = LIMIT / REPLICAS;
        let asked = samples.iter().filter(|sample| sample.tight && sample.degraded).count() as u64;
        assert_eq!(passed(true), share.min(asked), "{name}: allowed locally");
    }
}

fn nothing_accumulates(run: &Run) {
    let (name, before, after) = (run.row.name, run.before, run.after);
    assert!(after.own <= before.own + run.growth, "{name}: it grows, {before:?} to {after:?}");
    let descriptors = before.descriptors + LATE_CONNECTIONS;
    assert!(after.descriptors <= descriptors, "{name}: descriptors pile up, {before:?} to {after:?}");
    let tasks = before.tasks + LATE_CONNECTIONS * TASKS;
    assert!(after.tasks <= tasks, "{name}: tasks pile up, {before:?} to {after:?}");
}
