//! Several hits settled together.

use super::*;
use crate::domain::{CounterKey, Group, Hit};

const TEN: u64 = 10;

fn hit(key: &str, n: u64, descriptor: u32) -> Hit {
    let limit = limit(Algorithm::FixedWindow, TEN, 60);
    Hit { descriptor, ..Hit::new(CounterKey::from_bytes(key.as_bytes()), limit, Charge::Take(n)) }
}

/// A hit that is not charged if it is denied.
fn uncounted_if_denied(key: &str, n: u64, descriptor: u32) -> Hit {
    Hit { limit: limit_with(Algorithm::FixedWindow, TEN, 60, None, Some(false)), ..hit(key, n, descriptor) }
}

/// (allowed, after, granted) of each hit, and what was written to which counter.
type Settled = (Vec<(bool, u64, u64)>, Vec<(String, f64)>);

/// Settles hits on counters that hold the given counts. Returns (allowed, after, granted) of each hit, and the counts
/// that were written.
fn settled(hits: Vec<Hit>, atomic: bool, prior: &[(&str, f64)]) -> Settled {
    let group = Group { atomic, ..Group::new(hits) };
    let counters = Counters::of(&group);
    let key = |hit: usize| group.hits[hit].key.to_string();
    let count = |hit: usize| prior.iter().find(|(name, _)| *name == key(hit)).map(|(_, count)| *count);
    let state = |count| State { time: 0.0, current: count, previous: 0.0 };
    let mut held: Vec<Held> = counters.first_hits().map(|hit| Held::found(count(hit).map(state))).collect();
    let verdicts = settle(&group, at(0), &counters, &mut held);
    let written = counters
        .first_hits()
        .zip(&held)
        .filter(|(_, held)| held.written_by.is_some())
        .map(|(hit, held)| (key(hit), held.state.expect("what is written exists").current))
        .collect();
    (verdicts.iter().map(|verdict| (verdict.allowed, verdict.after, verdict.granted)).collect(), written)
}

#[test]
fn two_hits_on_one_counter_see_each_other() {
    let (verdicts, written) = settled(vec![hit("a", 6, 0), hit("b", 1, 1), hit("a", 6, 2)], false, &[]);
    assert_eq!(verdicts, [(true, 6, 6), (true, 1, 1), (false, 12, 0)]);
    assert_eq!(written, [("a".into(), 12.0), ("b".into(), 1.0)]);
}

#[test]
fn equal_keys_are_one_counter_for_any_number_of_hits() {
    for (hits, different) in (0..20).flat_map(|hits| [1, 2, 3, 7, 19].map(|different| (hits, different))) {
        let keys: Vec<String> = (0..hits).map(|hit| format!("{}", hit * 13 % different)).collect();
        let group = Group::new(keys.iter().map(|key| hit(key, 1, 0)));
        let counters = Counters::of(&group);
        let first: Vec<usize> = counters.first_hits().collect();
        assert!(first.is_sorted(), "numbered in order of appearance");
        let found: Vec<usize> = counters.of_hits().map(|counter| first[counter]).collect();
        let expected: Vec<usize> =
            keys.iter().map(|key| keys.iter().position(|other| other == key).expect("itself")).collect();
        assert_eq!((found, first.len()), (expected, keys.iter().collect::<std::collections::HashSet<_>>().len()));
    }
}

#[test]
fn the_limits_of_one_descriptor_are_charged_all_or_none() {
    let (verdicts, written) = settled(vec![hit("a", 1, 0), hit("b", 1, 0), hit("c", 1, 1)], false, &[("b", 10.0)]);
    assert_eq!(verdicts, [(true, 0, 0), (false, 11, 0), (true, 1, 1)]);
    assert_eq!(written, [("b".into(), 11.0), ("c".into(), 1.0)], "a hit that is over itself is charged");
    let (verdicts, written) =
        settled(vec![uncounted_if_denied("a", 1, 0), uncounted_if_denied("b", 1, 0)], false, &[("b", 10.0)]);
    assert_eq!((verdicts, written), (vec![(true, 0, 0), (false, 10, 0)], vec![]));
}

#[test]
fn a_shadow_descriptor_that_is_over_is_charged_limit_by_limit() {
    let shadow = |key, n| Hit { shadow: true, ..hit(key, n, 0) };
    let (verdicts, written) = settled(vec![shadow("a", 1), shadow("b", 1)], false, &[("b", 10.0)]);
    assert_eq!(verdicts, [(true, 1, 1), (false, 11, 0)]);
    assert_eq!(written, [("a".into(), 1.0), ("b".into(), 11.0)]);
}

#[test]
fn a_denied_atomic_group_charges_shadow_hits_and_hits_that_are_over() {
    let shadow = Hit { shadow: true, ..hit("s", 1, 2) };
    let refund = Hit { charge: Charge::Give(1), ..hit("r", 0, 3) };
    let hits = vec![hit("a", 1, 0), hit("b", 1, 1), shadow, refund];
    let (verdicts, written) = settled(hits, true, &[("b", 10.0), ("r", 5.0)]);
    assert_eq!(verdicts, [(true, 0, 0), (false, 11, 0), (true, 1, 1), (true, 5, 0)]);
    assert_eq!(written, [("b".into(), 11.0), ("s".into(), 1.0)]);
}

/// A hit that was over only because of its group may fit once the group is undone. It stays denied.
#[test]
fn hits_denied_with_their_group_are_not_decided_again() {
    for algorithm in Algorithm::ALL {
        for (count_denied, left) in [(false, 0), (true, 2)] {
            for (atomic, descriptors) in [(true, [0, 1]), (false, [0, 0]), (true, [0, 0])] {
                let limit = limit_with(algorithm, 3, 60, None, Some(count_denied));
                let hits = descriptors.map(|descriptor| Hit { limit, ..hit("a", 2, descriptor) });
                let group = Group { atomic, ..Group::new(hits) };
                let mut held = [Held::found(None)];
                let verdicts = settle(&group, at(0), &Counters::of(&group), &mut held);
                let brief = verdicts.iter().map(|one| (one.allowed, one.before, one.after, one.granted));
                let expected = [(true, 0, 0, 0), (false, 0, left, 0)];
                assert_eq!(brief.collect::<Vec<_>>(), expected, "{algorithm} {count_denied} {descriptors:?}");
                assert_eq!(held[0].written_by, count_denied.then_some(1));
                let look = step(held[0].state, &limit, at(0), Charge::LOOK).verdict;
                assert_eq!((look.allowed, look.after), (true, left));
            }
        }
    }
}

/// The shadow hit comes first on the counter that both name, so the hit that was over adds to its count.
#[test]
fn a_denied_group_is_charged_in_order() {
    let shadow = |n| Hit { shadow: true, ..hit("b", n, 1) };
    let (verdicts, written) = settled(vec![hit("a", 1, 0), shadow(2), hit("b", 3, 2)], true, &[("b", 8.0)]);
    assert_eq!(verdicts, [(true, 0, 0), (true, 10, 2), (false, 13, 0)]);
    assert_eq!(written, [("b".into(), 13.0)]);
    let (verdicts, _) = settled(vec![hit("b", 3, 0), shadow(2)], true, &[("b", 8.0)]);
    assert_eq!(verdicts, [(false, 11, 0), (false, 13, 0)]);
}

#[test]
fn looks_of_a_denied_group_change_nothing() {
    let (verdicts, written) = settled(vec![hit("a", 0, 0), hit("b", 0, 1)], true, &[("b", 11.0)]);
    assert_eq!((verdicts, written), (vec![(true, 0, 0), (false, 11, 0)], vec![]));
}

#[test]
fn a_shadow_hit_that_is_over_denies_nothing() {
    let shadow = Hit { shadow: true, ..hit("s", 11, 0) };
    let (verdicts, _) = settled(vec![shadow, hit("a", 1, 1)], true, &[]);
    assert_eq!(verdicts, [(false, 11, 0), (true, 1, 1)]);
}

#[test]
fn quotas_deny_only_together() {
    let quota = |key, descriptor| Hit { quota: true, ..hit(key, 1, descriptor) };
    let full = [("a", 10.0), ("b", 10.0)];
    let (one_left, _) = settled(vec![quota("a", 0), quota("c", 1)], true, &full);
    assert_eq!(one_left, [(false, 11, 0), (true, 1, 1)]);
    let (none_left, written) = settled(vec![quota("a", 0), quota("b", 1), hit("c", 1, 2)], true, &full);
    assert_eq!(none_left, [(false, 11, 0), (false, 11, 0), (true, 0, 0)]);
    assert_eq!(written, [("a".into(), 11.0), ("b".into(), 11.0)]);
}

#[test]
fn settle_one_equals_settle_for_a_lone_hit() {
    for bits in 0..64 {
        let [atomic, shadow, quota, quota_passed, refused, count_denied] =
            [1, 2, 4, 8, 16, 32].map(|bit| bits & bit > 0);
        let limit = limit_with(Algorithm::FixedWindow, TEN, 60, None, Some(count_denied));
        for (n, count) in [(1, 9.0), (1, 10.0), (0, 11.0), (0, 10.0), (11, 0.0)] {
            let one = Hit { shadow, quota, limit, ..hit("a", n, 0) };
            let group = Group { atomic, quota_passed, refused, ..Group::single(one) };
            let prior = Some(State { time: 0.0, current: count, previous: 0.0 });
            let mut held = [Held::found(prior)];
            let verdicts = settle(&group, at(0), &Counters::of(&group), &mut held);
            let alone = settle_one(&group, &group.hits[0], at(0), prior);
            assert_eq!(verdicts[0], alone.verdict, "{group:?}");
            assert_eq!(held[0].written_by.and(held[0].state), alone.next, "{group:?}");
        }
    }
}

/// A request that is denied for another reason charges its shadow hits and the hits that are over themselves, and
/// reports the other counters unchanged.
#[test]
fn an_atomic_group_denied_for_another_reason_charges_like_a_denied_one() {
    let refused = |hits: Vec<Hit>| Group { refused: true, atomic: true, ..Group::new(hits) };
    let shadow = Hit { shadow: true, ..hit("b", 3, 1) };
    let group = refused(vec![hit("a", 1, 0), shadow.clone()]);
    let counters = Counters::of(&group);
    let full = State { time: 0.0, current: 10.0, previous: 0.0 };
    let mut held = [Held::found(Some(full)), Held::found(None)];
    let verdicts = settle(&group, at(0), &counters, &mut held);
    assert!(!verdicts[0].allowed);
    assert_eq!((verdicts[0].after, verdicts[1].after), (11, 3));
    assert_eq!((held[0].written_by, held[1].written_by), (Some(0), Some(1)));

    for (one, written) in [(hit("a", 1, 0), false), (shadow, true)] {
        let group = refused(vec![one.clone()]);
        assert_eq!(settle_one(&group, &one, at(0), None).next.is_some(), written);
    }
}
