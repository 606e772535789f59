//! The format, byte by byte, and malformed replies. `tests/store/parity` checks with a real Redis that the script and
//! the service agree.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use limiter::domain::{Charge, CounterKey, Group, Hit, Limit, Timestamp, Unit};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// A server whose clock shows `NOW`, as it has since it first replied.
fn server() -> Server {
    Server { time: ServerTime { now: NOW, since: Timestamp::from_micros(0), is_fresh: true }, ..Server::unknown() }
}

fn keys(call: &Call) -> Vec<&[u8]> {
    call.keys().collect()
}

fn hit(key: &str, n: u64) -> Hit {
    Hit::new(CounterKey::from_bytes(key.as_bytes()), Limit::fixed_window(10, Unit::Minute), Charge::Take(n))
}

fn entry(key: &str, n: u64) -> Entry {
    Entry::new(Group::single(hit(key, n)))
}

/// A reply from its parts.
fn reply(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn doubles<const N: usize>(numbers: [f64; N]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn integers(numbers: impl IntoIterator<Item = u32>) -> Vec<u8> {
    numbers.into_iter().flat_map(u32::to_le_bytes).collect()
}

fn now() -> Vec<u8> {
    doubles([NOW.as_f64()])
}

#[test]
fn the_script_has_all_its_parts_and_its_name() {
    assert!(script::TEXT.contains("function token_bucket("));
    assert!(script::TEXT.ends_with("return table.concat(corrected)\n"), "driver.lua is the last part");
    let early = script::TEXT.find("server_now = clock[1]").expect("early.lua");
    assert!(
        early < script::TEXT.find("function").expect("functions"),
        "small calls are answered before any definition"
    );
    assert!(!script::TEXT.starts_with("#!"), "a shebang makes Redis 6 fail");
    assert!(script::SHA1.len() == 40 && script::SHA1.bytes().all(|byte| byte.is_ascii_hexdigit()), "{}", script::SHA1);
}

#[test]
fn a_call_is_laid_out_as_the_driver_reads_it() {
    let shadow = Hit { shadow: true, descriptor: 1, ..hit("b", 0) };
    let refund = Hit { charge: Charge::Give(7), quota: true, descriptor: 1, ..hit("a", 0) };
    let group = Group::new(vec![hit("a\0\r\n", 3), shadow, refund]).atomic().at(Timestamp::from_micros(5));
    let group = Group { refused: true, ..group };
    let mut twice = entry("z", 1);
    twice.again();
    let entries = [Entry::new(group), twice];
    let call = Call::new(&entries, &server(), |_| Duration::from_millis(250));
    assert_eq!(keys(&call), [b"a\0\r\n".as_slice(), b"b", b"a", b"z"]);
    let (minute, ten) = (60e6, 10.0);
    let head = |flags: [u8; 3], counts: [u32; 2], now| [flags.to_vec(), integers(counts), doubles([now])].concat();
    let line = |counter: u32, flags: [u8; 6], n| {
        [counter.to_le_bytes().to_vec(), flags.to_vec(), doubles([n, ten, ten, minute])].concat()
    };
    let kinds = [
        head([1, 0, 1], [3, 3], 5.0),
        line(1, [1, 0, 0, 0, 0, 1], 3.0),
        line(2, [1, 0, 1, 0, 0, 1], 0.0),
        line(3, [1, 1, 0, 1, 1, 1], 7.0),
        head([0, 0, 0], [1, 1], -1.0),
        line(1, [1, 0, 0, 0, 0, 1], 1.0),
    ];
    assert_eq!(call.kinds, kinds.concat());
    assert_eq!(call.groups, [integers([1, 1, 250, 1, 2, 3]), integers([2, 2, 250, 4])].concat());
}

#[test]
fn keys_and_kinds_are_sent_once() {
    let pair = |one, other| Entry::new(Group::new(vec![hit(one, 1), Hit { descriptor: 1, ..hit(other, 1) }]));
    let entries = [entry("a", 1), entry("b", 1), entry("a", 2), pair("b", "c"), pair("d", "a"), entry("d", 1)];
    let call = Call::new(&entries, &server(), |_| Duration::ZERO);
    assert_eq!(keys(&call), [b"a", b"b", b"c", b"d"]);
    let alone = |entry: &Entry| Call::new(std::slice::from_ref(entry), &server(), |_| Duration::ZERO).kinds;
    assert_eq!(call.kinds, [0, 2, 3].map(|one| alone(&entries[one])).concat());
    let groups = [&[1, 1, 0, 1][..], &[1, 1, 0, 2], &[2, 1, 0, 1], &[3, 1, 0, 2, 3], &[3, 1, 0, 4, 1], &[1, 1, 0, 4]];
    assert_eq!(call.groups, groups.map(|numbers| integers(numbers.iter().copied())).concat());
}

#[test]
fn neighbours_that_differ_in_one_thing_are_of_two_kinds() {
    let alone = |entry: &Entry| Call::new(std::slice::from_ref(entry), &server(), |_| Duration::ZERO).kinds;
    let group = || Group::single(hit("a", 1));
    let other = |hit: Hit| Entry::new(Group::single(hit));
    let day = Limit::fixed_window(10, Unit::Day);
    for entry in [
        other(hit("a", 2)),
        other(Hit { charge: Charge::Give(1), ..hit("a", 1) }),
        other(Hit { limit: day, ..hit("a", 1) }),
        other(Hit { shadow: true, ..hit("a", 1) }),
        other(Hit { quota: true, ..hit("a", 1) }),
        Entry::new(group().atomic()),
        Entry::new(Group { refused: true, ..group() }),
        Entry::new(Group { quota_passed: true, ..group() }),
        Entry::new(group().at(Timestamp::from_micros(5))),
    ] {
        let entries = [Entry::new(group()), entry];
        let call = Call::new(&entries, &server(), |_| Duration::ZERO);
        assert_eq!(call.kinds, [alone(&entries[0]), alone(&entries[1])].concat(), "{:?}", entries[1]);
    }
}

#[test]
fn the_jitter_is_capped_at_49_days() {
    let call = |jitter| Call::new(&[entry("a", 1)], &server(), |_| jitter).groups.clone();
    assert_eq!(call(Duration::from_secs(1 << 30)), call(Duration::from_millis(u32::MAX.into())));
}

#[test]
fn beyond_a_bound_equal_kinds_are_sent_twice() {
    let entries: Vec<_> = (1..=100).chain(1..=100).map(|n| entry("a", n)).collect();
    let call = Call::new(&entries, &server(), |_| Duration::ZERO);
    assert_eq!(call.kinds.len(), 200 * Call::new(&entries[..1], &server(), |_| Duration::ZERO).kinds.len());
    assert_eq!(call.groups, integers((1..=200).flat_map(|kind| [kind, 1, 0, 1])));
}

#[test]
fn verdicts_are_derived_from_the_state_that_was_found() {
    let mut twice = entry("a", 3);
    twice.again();
    let state = doubles([(NOW.as_micros() - NOW.as_micros() % 60_000_000) as f64, 6.0, 0.0]);
    let (time, answers) = decode(&[twice], &server(), &reply(&[&now(), &[0, 3], &state])).expect("a reply");
    assert_eq!(time, NOW);
    let verdicts = answers[0].as_ref().expect("verdicts");
    let settled: Vec<_> = verdicts.iter().map(|one| (one[0].allowed, one[0].before, one[0].after)).collect();
    assert_eq!(settled, [(true, 6, 9), (false, 9, 12)]);
}

#[test]
fn an_error_is_of_its_group_only_and_names_the_counter() {
    let entries = [Entry::new(Group::new(vec![hit("b", 1), hit("a", 1)])), entry("c", 1)];
    let text = b"WRONGTYPE not yours";
    let refused = [&[1u8][..], &1u32.to_le_bytes(), &(text.len() as u32).to_le_bytes(), text].concat();
    let (_, answers) = decode(&entries, &server(), &reply(&[&now(), &refused, &[0, 1]])).expect("a reply");
    let error = answers[0].as_ref().expect_err("refused");
    assert_eq!(error.code(), "WRONGTYPE");
    assert_eq!(error.to_string(), "redis refused counter b: WRONGTYPE not yours");
    assert!(answers[1].as_ref().expect("verdicts")[0][0].allowed);
}

#[test]
fn the_code_is_the_same_from_every_redis() {
    let key = CounterKey::from_bytes(b"a");
    for (text, code) in [
        ("READONLY You can't write against a read only replica.", "READONLY"),
        ("@user_script: 152: -READONLY You can't write against a read only replica.\r\n", "READONLY"),
        ("@user_script: 1: -OOM command not allowed when used memory > 'maxmemory'.", "OOM"),
        ("WRONGTYPE Operation against a key: holding the wrong kind of value", "WRONGTYPE"),
    ] {
        assert_eq!(GroupError::refused(key.clone(), text).code(), code, "{text}");
    }
}

#[test]
fn a_charge_that_the_service_would_not_make_is_an_error() {
    let (_, answers) = decode(&[entry("a", 1)], &server(), &reply(&[&now(), &[0, 0]])).expect("a reply");
    assert_eq!(answers, [Err(GroupError::Diverged { key: CounterKey::from_bytes(b"a") })]);
}

#[test]
fn malformed_replies_say_where() {
    let one = [entry("a", 1)];
    let wrong = |parts: &[&[u8]]| decode(&one, &server(), &reply(parts)).expect_err("malformed");
    assert_eq!(wrong(&[&[0; 5]]), ReplyError::Short { at: 0, wanted: 8, length: 5 });
    assert_eq!(wrong(&[&now()]), ReplyError::Short { at: 8, wanted: 1, length: 8 });
    assert_eq!(wrong(&[&now(), &[0, 2, 9]]), ReplyError::Short { at: 10, wanted: 8, length: 11 });
    assert_eq!(wrong(&[&now(), &[0, 1, 0]]), ReplyError::Long { used: 10, length: 11 });
    assert_eq!(wrong(&[&now(), &[2]]), ReplyError::Mark { byte: 2, at: 8 });
    assert_eq!(wrong(&[&now(), &[0, 4]]), ReplyError::Mark { byte: 4, at: 9 });
    for counter in [0u32, 2, u32::MAX] {
        let refused = [&[1u8][..], &counter.to_le_bytes(), &[0; 4]].concat();
        assert_eq!(wrong(&[&now(), &refused]), ReplyError::Counter { counter, counters: 1 });
    }
    assert_eq!(wrong(&[&doubles([-1.0]), &[0, 1]]), ReplyError::Time(-1.0));
    assert!(matches!(wrong(&[&doubles([f64::NAN]), &[0, 1]]), ReplyError::Time(_)));
}

#[test]
fn an_empty_call_returns_the_time() {
    assert_eq!(Call::new(&[], &server(), |_| Duration::ZERO), Call::of_nothing());
    assert_eq!(decode(&[], &server(), &now()), Ok((NOW, Vec::new())));
}

#[test]
fn groups_are_equal_if_they_are_equal_to_the_script() {
    let base = Group::single(hit("a", 1));
    let other_mode = Hit { descriptor: 9, ..hit("a", 1) };
    let equal = |one: &Group, two: &Group| Entry::new(one.clone()).equals(&Entry::new(two.clone()));
    assert!(equal(&base, &Group::single(other_mode)));
    let different = [
        Group::single(hit("b", 1)),
        Group::single(hit("a", 2)),
        Group::single(Hit { charge: Charge::Give(1), ..hit("a", 1) }),
        Group::single(Hit { shadow: true, ..hit("a", 1) }),
        Group::single(Hit { quota: true, ..hit("a", 1) }),
        Group::single(Hit { limit: Limit::fixed_window(11, Unit::Minute), ..hit("a", 1) }),
        base.clone().atomic(),
        Group { quota_passed: true, ..base.clone() },
        Group { refused: true, ..base.clone() },
        base.clone().at(Timestamp::from_micros(1)),
    ];
    for other in different {
        assert!(!equal(&base, &other), "{other:?}");
    }
    let pair = Group::new(vec![hit("a", 1), hit("b", 1)]);
    assert!(!equal(&pair, &pair), "only single hits are merged");
}

proptest! {
    #[test]
    fn no_reply_makes_it_panic(reply: Vec<u8>, groups in proptest::collection::vec(1..4usize, 0..4)) {
        let entries: Vec<Entry> =
            groups.iter().map(|hits| Entry::new(Group::new((0..*hits).map(|at| hit(&at.to_string(), 1))))).collect();
        let _ = decode(&entries, &server(), &reply);
        let timely = [now(), reply].concat();
        let _ = decode(&entries, &server(), &timely);
    }
}
