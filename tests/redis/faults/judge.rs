//! What has to hold of a run, whatever the machine: outcomes, and that nothing piles up. No durations.

use std::time::{Duration, Instant};

use crate::faults::{
    drive::Run,
    load::{Mode, Sample, Told},
    row::{Answers, Breaker},
    stage::{LIMIT, REPLICAS},
};

/// Connections that Envoy may have made only after the first count: one for each of its workers.
const LATE_CONNECTIONS: u64 = 2;
/// Tasks of one of them.
const TASKS: u64 = 2;

/// For so long at most a denial by Redis is repeated without asking it (docs/redis.md).
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
    nothing_piles_up(run);
}

/// Every answer is one that can be given.
fn plausible(run: &Run, sample: &Sample) {
    let name = run.row.name;
    match (sample.told, sample.degraded, sample.mode) {
        (Told::Hung, ..) => panic!("{name}: nobody answers {sample:?}"),
        (Told::Error, _, mode) => assert_eq!(mode, Mode::Error, "{name}: {sample:?}"),
        (_, true, mode) => assert_ne!(mode, Mode::Error, "{name}: {sample:?}"),
        (Told::Over, false, _) => assert!(sample.tight, "{name}: over a wide limit, {sample:?}"),
        (Told::Pass, false, _) => {}
    }
    if sample.degraded {
        let told = match sample.mode {
            Mode::Allow => Told::Pass,
            Mode::Deny => Told::Over,
            // what is counted here has a limit too
            _ if sample.tight => return,
            _ => Told::Pass,
        };
        assert_eq!(sample.told, told, "{name}: {sample:?}");
    }
    // before and after, Redis decides, or was too late
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

/// While the fault lasted, those of one mode at one point.
fn answers(run: &Run, name: &str, samples: &[&Sample], (since, until): (Instant, Instant)) {
    let settled: Vec<_> = samples.iter().filter(|sample| sample.sent >= since && sample.done() <= until).collect();
    assert!(!settled.is_empty(), "{name}: nobody asked");
    let of_redis = settled.iter().filter(|sample| sample.is_of_redis()).count();
    match run.row.answers {
        Answers::None => {
            // on a slow machine the tight counter is over its limit before the fault is there
            let remembered =
                |sample: &Sample| sample.told == Told::Over && sample.tight && sample.sent < since + REMEMBERED;
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
    // a tight counter lets its part of the limit pass here, and the whole limit at Redis, each once
    let passed = |degraded| {
        let tight = samples.iter().filter(|sample| sample.tight && sample.degraded == degraded);
        tight.filter(|sample| sample.told == Told::Pass).count() as u64
    };
    let times = if run.row.answers == Answers::Soon { 2 } else { 1 };
    assert!(passed(false) <= times * LIMIT, "{name}: {} passed at Redis, of {LIMIT}", passed(false));
    if samples.iter().all(|sample| sample.mode == Mode::Local) {
        let share = LIMIT / REPLICAS;
        let asked = samples.iter().filter(|sample| sample.tight && sample.degraded).count() as u64;
        assert_eq!(passed(true), share.min(asked), "{name}: passed in the process");
    }
}

fn nothing_piles_up(run: &Run) {
    let (name, before, after) = (run.row.name, run.before, run.after);
    assert!(after.own <= before.own + run.growth, "{name}: it grows, {before:?} to {after:?}");
    let descriptors = before.descriptors + LATE_CONNECTIONS;
    assert!(after.descriptors <= descriptors, "{name}: descriptors pile up, {before:?} to {after:?}");
    let tasks = before.tasks + LATE_CONNECTIONS * TASKS;
    assert!(after.tasks <= tasks, "{name}: tasks pile up, {before:?} to {after:?}");
}
