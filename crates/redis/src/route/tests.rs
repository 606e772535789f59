use super::*;
use limiter::domain::{Charge, Limit};

const MANY: KeyConstraints = KeyConstraints { has_slots: false, keys_per_call: Some(KeysPerCall::Many) };
const SLOTS: KeyConstraints = KeyConstraints { has_slots: true, ..MANY };
const ONE: KeyConstraints = KeyConstraints { keys_per_call: Some(KeysPerCall::One), ..MANY };
const UNKNOWN: KeyConstraints = KeyConstraints { keys_per_call: None, ..MANY };

fn routes(main: KeyConstraints, per_second: Option<KeyConstraints>) -> Routes<'static> {
    static HASHER: std::sync::LazyLock<Hasher> = std::sync::LazyLock::new(Hasher::default);
    Routes { main, per_second, hasher: &HASHER }
}

fn hit(key: &str, descriptor: u32, unit: Unit) -> Hit {
    let key = CounterKey::from_bytes(key.as_bytes());
    Hit { descriptor, ..Hit::new(key, Limit::fixed_window(1, unit), Charge::Take(1)) }
}

/// For each part, the side (`None`: it has no lane) and the indices of its hits.
fn sides(parts: &[Part]) -> Vec<(Option<Side>, &[usize])> {
    parts.iter().map(|part| (part.lane.ok().map(|lane| lane.side), part.indices.as_slice())).collect()
}

#[test]
fn a_single_redis_gets_the_group_whole() {
    let group = Group::new(vec![hit("a", 0, Unit::Second), hit("b", 1, Unit::Day)]);
    let whole = Lane { side: Side::Main, partition: Partition::Whole };
    assert_eq!(routes(MANY, None).whole(&group), Some(whole));
    assert_eq!(routes(MANY, None).whole(&group.atomic()), Some(whole));
}

#[test]
fn limits_per_second_have_their_own_redis_but_descriptors_stay_whole() {
    let group = Group::new(vec![
        hit("a", 0, Unit::Second),
        hit("b", 1, Unit::Second),
        hit("b", 1, Unit::Day),
        hit("c", 2, Unit::Second),
    ]);
    let routes = routes(MANY, Some(MANY));
    assert_eq!(routes.whole(&group), None);
    let parts = routes.split(&Group { quota_passed: true, refused: true, ..group.atomic() });
    assert_eq!(sides(&parts), [(Some(Side::PerSecond), &[0, 3][..]), (Some(Side::Main), &[1, 2][..])]);
    assert!(parts.iter().all(|part| part.group.atomic && part.group.quota_passed && part.group.refused));
}

#[test]
fn a_cluster_gets_a_part_for_each_slot() {
    let group = Group::new(vec![hit("{a}1", 0, Unit::Day), hit("{b}1", 1, Unit::Day), hit("{a}2", 2, Unit::Day)]);
    let parts = routes(SLOTS, None).split(&group);
    let slots: Vec<_> =
        parts.iter().map(|part| (part.lane.expect("a lane").partition, part.indices.as_slice())).collect();
    let slot = |key: &[u8]| Partition::Slot(slot::of(key));
    assert_eq!(slots, [(slot(b"a"), &[0, 2][..]), (slot(b"b"), &[1][..])]);
}

#[test]
fn where_a_call_carries_one_key_each_key_has_a_lane() {
    let group = Group::new(vec![
        hit("a", 0, Unit::Day),
        hit("b", 1, Unit::Day),
        hit("a", 2, Unit::Day),
        hit("c", 3, Unit::Second),
    ]);
    for keys in [ONE, UNKNOWN] {
        let routes = routes(keys, None);
        assert_eq!(routes.whole(&group), None);
        let parts = routes.split(&group);
        let main = Some(Side::Main);
        assert_eq!(sides(&parts), [(main, &[0, 2][..]), (main, &[1][..]), (main, &[3][..])]);
        let lanes: std::collections::HashSet<_> = parts.iter().map(|part| part.lane.expect("a lane")).collect();
        assert_eq!(lanes.len(), 3);
        let single = Group::single(hit("a", 0, Unit::Day));
        for alone in [single.clone(), single.atomic()] {
            assert_eq!(routes.whole(&alone), parts[0].lane.ok(), "the lane is that of the key");
        }
        let resets: Vec<_> = routes.of_key(&group.hits[0].key).collect();
        assert_eq!(resets, [parts[0].lane.expect("a lane")]);
    }
}

#[test]
fn hits_of_several_keys_that_must_be_charged_together_are_refused_once_the_limit_is_one_key() {
    let limits = Group::new(vec![hit("a1", 0, Unit::Day), hit("a2", 0, Unit::Hour), hit("b", 1, Unit::Day)]);
    let atomic = Group::new(vec![hit("a", 0, Unit::Day), hit("b", 1, Unit::Day), hit("c", 2, Unit::Day)]).atomic();
    let twice = Group::new(vec![hit("a", 0, Unit::Day), hit("a", 1, Unit::Day)]).atomic();
    let main = Some(Side::Main);
    let split = |keys: KeyConstraints, group: &Group| routes(keys, None).split(group);
    assert_eq!(sides(&split(ONE, &limits)), [(None, &[0, 1][..]), (main, &[2][..])]);
    assert_eq!(sides(&split(ONE, &atomic)), [(None, &[0, 1, 2][..])]);
    assert_eq!(sides(&split(ONE, &twice)), [(main, &[0, 1][..])]);
    let whole = Ok(Lane { side: Side::Main, partition: Partition::Whole });
    assert_eq!(split(UNKNOWN, &limits)[0].lane, whole);
    assert_eq!(split(UNKNOWN, &atomic)[0].lane, whole);
    assert!(split(ONE, &limits).iter().chain(&split(ONE, &atomic)).all(|part| part.lane != whole));
    assert_eq!(split(ONE, &limits)[0].lane, Err(StoreError::Divided));
}

#[test]
fn each_redis_has_its_own_key_limit() {
    let group = Group::new(vec![
        hit("a", 0, Unit::Second),
        hit("b", 1, Unit::Day),
        hit("c", 2, Unit::Second),
        hit("d", 3, Unit::Day),
    ]);
    let (main, second) = (Some(Side::Main), Some(Side::PerSecond));
    let split = |main, per_second, group: &Group| routes(main, Some(per_second)).split(group);
    let parts = split(MANY, ONE, &group);
    assert_eq!(sides(&parts), [(second, &[0][..]), (main, &[1, 3][..]), (second, &[2][..])]);
    let group = group.atomic();
    assert_eq!(sides(&split(MANY, ONE, &group)), [(None, &[0, 2][..]), (main, &[1, 3][..])]);
    assert_eq!(sides(&split(ONE, MANY, &group)), [(second, &[0, 2][..]), (None, &[1, 3][..])]);
}

#[test]
fn in_a_cluster_with_one_key_per_call_each_call_goes_to_the_slot_of_its_key() {
    let keys = KeyConstraints { has_slots: true, ..ONE };
    let group = Group::new(vec![hit("{a}1", 0, Unit::Day), hit("{a}2", 1, Unit::Day)]);
    let parts = routes(keys, None).split(&group);
    let slots: Vec<_> = parts.iter().map(|part| part.lane.expect("a lane").partition.slot()).collect();
    assert_eq!(slots, [Some(slot::of(b"a")); 2]);
    assert_ne!(parts[0].lane, parts[1].lane);
}
