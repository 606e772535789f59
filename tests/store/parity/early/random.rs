//! Random traces of small calls, by both paths and by the Rust functions.

use super::*;

/// Hits with a counter each, and with every flag.
fn hits(most: usize) -> impl Strategy<Value = Vec<Hit>> {
    let counters = subsequence((0..MOST + 2).collect::<Vec<_>>(), 1..=most).prop_shuffle();
    let of_counter = |counter: usize| {
        let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.25));
        // counters have one of a few limits, so most calls meet the state of an earlier one; some meet another's
        (traces::charge(), 0..4u32, flags, prop::bool::weighted(0.1), any::<Index>()).prop_map(
            move |(charge, descriptor, (shadow, quota), changed, other)| {
                let which = if changed { other.index(MOST + 2) } else { counter };
                (counter, which, charge, descriptor, shadow, quota)
            },
        )
    };
    let hit_of = |(counter, which, charge, descriptor, shadow, quota): (usize, usize, Charge, u32, bool, bool)| {
        // the limit is filled in by the trace, from its number
        let hit = Hit::new(
            CounterKey::from_bytes(format!("k{counter}").as_bytes()),
            Limit::fixed_window(which as u64, Unit::Second),
            charge,
        );
        Hit { descriptor, shadow, quota, ..hit }
    };
    counters.prop_flat_map(move |counters| {
        counters
            .into_iter()
            .map(of_counter)
            .collect::<Vec<_>>()
            .prop_map(move |all| all.into_iter().map(hit_of).collect())
    })
}

/// A call of one group, or of groups of one hit.
fn call() -> impl Strategy<Value = Vec<(Group, u32)>> {
    let flags = || (prop::bool::weighted(0.4), prop::bool::weighted(0.15), prop::bool::weighted(0.1));
    let of =
        |hits: Vec<Hit>, (atomic, quota_passed, refused)| Group { atomic, quota_passed, refused, ..Group::new(hits) };
    let times = || prop_oneof![5 => Just(1u32), 1 => 2..6u32];
    let lone = (hits(1), flags(), times()).prop_map(move |(hits, flags, times)| vec![(of(hits, flags), times)]);
    let group = (hits(MOST + 1), flags(), prop_oneof![20 => Just(1u32), 1 => Just(2u32)]).prop_map(
        move |(mut hits, flags, times)| {
            hits.sort_by_key(|hit| hit.descriptor);
            vec![(of(hits, flags), times)]
        },
    );
    let some =
        (hits(MOST + 1), proptest::collection::vec((flags(), times()), MOST + 1)).prop_map(move |(hits, all)| {
            let each = hits.into_iter().zip(all);
            each.map(|(hit, (flags, times))| (of(vec![hit], (flags.0, flags.1, false)), times)).collect()
        });
    prop_oneof![2 => lone.boxed(), 2 => group.boxed(), 1 => some.boxed()]
}

/// What some counters hold at first, and calls at one instant each.
type Trace = (Vec<(usize, State)>, Vec<Vec<(Group, u32)>>);

fn trace() -> impl Strategy<Value = Trace> {
    let limits = proptest::collection::vec(traces::limit(), MOST + 2);
    let seeds = proptest::collection::vec((0..MOST + 2, traces::state()), 0..6);
    let seeds = prop_oneof![2 => Just(Vec::new()).boxed(), 1 => seeds.boxed()];
    let grid = prop_oneof![Just(1i64), Just(SECOND as i64 / 4)];
    let start = 1_600_000_000 * SECOND..1_900_000_000 * SECOND;
    let calls = proptest::collection::vec((traces::tick(), call()), 20..40);
    (limits, seeds, calls, grid, start).prop_map(|(limits, seeds, calls, grid, start)| {
        let mut clock = start as i64;
        let at = |(tick, mut groups): (i64, Vec<(Group, u32)>)| {
            clock = clock.saturating_add(tick).clamp(0, (1 << 53) - 1);
            clock = clock / grid * grid;
            for (group, _) in &mut groups {
                for hit in &mut group.hits {
                    hit.limit = limits[hit.limit.requests() as usize];
                }
                *group = group.clone().at(Timestamp::from_micros(clock as u64));
            }
            groups
        };
        (seeds, calls.into_iter().map(at).collect())
    })
}

#[derive(Default)]
struct Tally {
    calls: u64,
    early: u64,
    writes: u64,
    denied: u64,
}

fn run(twins: &mut Twins, (seeds, calls): &Trace, tally: &mut Tally) -> Result<(), TestCaseError> {
    twins.redis.command(&["FLUSHALL"]);
    let mut model = Model::new();
    for (number, state) in seeds {
        let key = format!("k{number}");
        twins.seed(&key, &packed(state));
        model.insert(key.into_bytes(), (*state, None));
    }
    for groups in calls {
        let Outcome { answers, early, writes } = twins.call(groups, LONG);
        for ((group, times), answer) in groups.iter().zip(answers) {
            let found = answer.map_err(|error| TestCaseError::fail(format!("{error}: {group:?}")))?;
            let found: Vec<Vec<Verdict>> = found.into_iter().map(SmallVec::into_vec).collect();
            let expected: Vec<Vec<Verdict>> = (0..*times).map(|_| settle(&mut model, group)).collect();
            prop_assert_eq!(&found, &expected, "{:?} × {}", group, times);
            tally.denied += found.iter().flatten().filter(|verdict| !verdict.allowed).count() as u64;
        }
        tally.calls += 1;
        tally.early += u64::from(early);
        tally.writes += writes.len() as u64;
    }
    for (name, (state, _)) in &model {
        let Reply::Bytes(stored) = twins.redis.send(&[b"GET", &[b"e", name.as_slice()].concat()]) else {
            panic!("{state:?} is not stored")
        };
        prop_assert!(equal(&stored, state), "{:?} is stored as {:?}", state, stored);
    }
    Ok(())
}

/// Runs random calls of up to one hit more than the early paths take, and says how many they answered.
#[test]
fn random_small_calls_reply_and_write_the_same_bits_on_either_path() {
    let mut twins = Twins::start();
    let mut tally = Tally::default();
    let cases = (Config::default().cases).max(300);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let cell = std::cell::RefCell::new((&mut twins, &mut tally));
    let outcome = TestRunner::new(config).run(&trace(), |trace| {
        let (twins, tally) = &mut *cell.borrow_mut();
        run(twins, &trace, tally)
    });
    let version = twins.redis.version();
    let Tally { calls, early, writes, denied } = tally;
    println!("early paths, {version}: {calls} calls, {early} answered early, {writes} writes, {denied} hits denied");
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!(early > calls / 2 && denied > calls / 10 && writes > calls, "the traces say little");
}
