//! Random traces with a fixed seed: the store gives, bit for bit, the verdicts of the step functions.
//!
//! A counter that could soon be forgotten is reset first, for a store whose counters expire by a clock of its own.

use std::collections::HashMap;

use crate::algorithm::{Counters, Held, State, settle, step};

use super::*;

/// A small generator (xorshift), so that every store meets the same trace.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    pub(super) fn charge(&mut self) -> Charge {
        match self.below(12) {
            0 => Charge::LOOK,
            1 => Charge::Give(self.below(20)),
            2 => Charge::Take(u64::MAX - self.below(3)),
            3 => Charge::Take(self.below(100)),
            _ => Charge::Take(self.below(5)),
        }
    }

    /// A step in time: mostly forwards, sometimes back.
    fn walk(&mut self, now: u64) -> u64 {
        match self.below(10) {
            0 => now - self.below(WINDOW / 4),
            1 => now,
            _ => now + self.below(WINDOW / 5),
        }
    }
}

/// Longer than a step takes on a machine that is not hung.
const SOON: Duration = Duration::from_secs(10);

/// Whether a counter that was written under this limit could be forgotten soon.
fn ends_soon(state: State, limit: &Limit, now: u64) -> bool {
    step(Some(state), limit, Timestamp::from_micros(now), Charge::LOOK).verdict.reset_after < SOON
}

pub(super) async fn random_hits<S: RateLimiter>(bench: Bench<S>) {
    for count_denied in [false, true] {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let (mut now, mut written): (u64, Option<(State, Limit)>) = (START, None);
        let name = format!("{count_denied}");
        for _ in 0..400 {
            now = random.walk(now);
            let limit = bench.limit(7 + random.below(30), count_denied);
            let charge = random.charge();
            let state = written.map(|(state, _)| state);
            let expected = step(state, &limit, Timestamp::from_micros(now), charge);
            let verdict = bench.one(Hit::new(bench.key(&name), limit, charge), now).await;
            assert_eq!(verdict, expected.verdict, "{charge:?} at {now} under {limit:?}");
            written = expected.next.map(|next| (next, limit)).or(written);
            if written.is_some_and(|(state, limit)| ends_soon(state, &limit, now)) {
                bench.store.reset(&bench.key(&name), &limit).await.expect("an answer");
                written = None;
            }
        }
    }
}

pub(super) async fn random_groups<S: RateLimiter>(bench: Bench<S>) {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let (mut now, mut states): (u64, HashMap<CounterKey, State>) = (START, HashMap::new());
    for _ in 0..300 {
        now = random.walk(now);
        let mut descriptor = 0;
        let hits: Vec<Hit> = (0..random.below(5))
            .map(|_| {
                descriptor += u32::from(random.below(3) > 0);
                let limit = bench.limit(20, random.below(2) == 0);
                let key = bench.key(&format!("{}", random.below(4)));
                let (shadow, quota) = (random.below(4) == 0, random.below(3) == 0);
                Hit { descriptor, shadow, quota, ..Hit::new(key, limit, random.charge()) }
            })
            .collect();
        let group = Group { atomic: random.below(2) == 0, quota_passed: random.below(4) == 0, ..together(hits) };
        let counters = Counters::of(&group);
        let keys: Vec<CounterKey> = counters.first_hits().map(|hit| group.hits[hit].key.clone()).collect();
        let mut held: Vec<Held> = keys.iter().map(|key| Held::found(states.get(key).copied())).collect();
        let expected = settle(&group, Timestamp::from_micros(now), &counters, &mut held);
        states.extend(keys.into_iter().zip(&held).filter_map(|(key, held)| Some((key, held.state?))));
        let verdicts = bench.store.check(group.clone().at(Timestamp::from_micros(now))).await;
        let verdicts: Vec<Verdict> = verdicts.into_iter().map(|verdict| verdict.expect("an answer")).collect();
        assert_eq!(verdicts, expected.to_vec(), "{group:?} at {now}");
        for (key, _) in states.extract_if(|_, state| ends_soon(*state, &bench.limit(20, true), now)) {
            bench.store.reset(&key, &bench.limit(20, true)).await.expect("an answer");
        }
    }
}
