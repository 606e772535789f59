//! Settling all the hits of one request on the states of their counters: in order, the same counter twice, several
//! limits of one descriptor all or none, and groups all or none.

use std::ops::Range;

use smallvec::SmallVec;

use super::{State, Step, refuse, step};
use crate::domain::{Group, Hit, Outcome, Tally, Timestamp, Verdict};

/// Hits up to which comparing each with those before it is cheaper than sorting.
const FEW: usize = 8;

/// Which hits of a group share a counter. Counters have numbers from 0, in the order of their first hits:
/// so groups that differ in nothing but names are alike.
#[derive(Clone, Debug)]
pub struct Counters {
    of_hit: SmallVec<[u32; 8]>,
    first_hit: SmallVec<[u32; 8]>,
}

impl Counters {
    /// Tells a group's counters apart by their keys.
    #[must_use]
    pub fn of(group: &Group) -> Self {
        if group.hits.len() > FEW { Self::sorted(group) } else { Self::compared(group) }
    }

    /// Looks for each hit's counter among those before it.
    fn compared(group: &Group) -> Self {
        let (mut of_hit, mut first_hit) = (SmallVec::new(), SmallVec::<[u32; 8]>::new());
        for (number, hit) in group.hits.iter().enumerate() {
            let known = first_hit.iter().position(|first| group.hits[*first as usize].key == hit.key);
            of_hit.push(known.unwrap_or(first_hit.len()) as u32);
            if known.is_none() {
                first_hit.push(number as u32);
            }
        }
        Self { of_hit, first_hit }
    }

    /// Finds the first hit of each hit's counter by making equal keys neighbours.
    fn sorted(group: &Group) -> Self {
        let key = |hit: u32| &group.hits[hit as usize].key;
        let mut order: SmallVec<[u32; 8]> = (0..group.hits.len() as u32).collect();
        order.sort_unstable_by(|one, other| key(*one).cmp(key(*other)).then(one.cmp(other)));
        let mut first_of: SmallVec<[u32; 8]> = SmallVec::from_elem(0, order.len());
        for run in order.chunk_by(|one, next| key(*one) == key(*next)) {
            run.iter().for_each(|hit| first_of[*hit as usize] = run[0]);
        }
        let (mut of_hit, mut first_hit) = (SmallVec::<[u32; 8]>::new(), SmallVec::<[u32; 8]>::new());
        for (number, first) in first_of.into_iter().enumerate() {
            if first as usize == number {
                of_hit.push(first_hit.len() as u32);
                first_hit.push(first);
            } else {
                of_hit.push(of_hit[first as usize]);
            }
        }
        Self { of_hit, first_hit }
    }

    /// How many different counters there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.first_hit.len()
    }

    /// Whether the group has no hits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first_hit.is_empty()
    }

    /// For each hit, the number of its counter.
    pub fn of_hits(&self) -> impl Iterator<Item = usize> + '_ {
        self.of_hit.iter().map(|counter| *counter as usize)
    }

    /// For each counter, the first hit that names it.
    pub fn first_hits(&self) -> impl Iterator<Item = usize> + '_ {
        self.first_hit.iter().map(|hit| *hit as usize)
    }
}

/// One counter while its group is settled.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Held {
    /// Its state; `None` if it does not exist.
    pub state: Option<State>,
    /// The last hit that changed it, whose limit says when it expires; `None` if nothing is to be written back.
    pub written_by: Option<usize>,
}

impl Held {
    /// A counter as the store has it.
    #[must_use]
    pub const fn found(state: Option<State>) -> Self {
        Self { state, written_by: None }
    }
}

/// Settles a group: one verdict for each hit, in order. `held` has one entry for each of `counters`, as the store found
/// it, and afterwards says what to write.
///
/// # Panics
/// If `counters` is of another group or `held` has another length.
pub fn settle(group: &Group, now: Timestamp, counters: &Counters, held: &mut [Held]) -> SmallVec<[Verdict; 1]> {
    let untouched: Option<SmallVec<[Held; 8]>> = group.atomic.then(|| SmallVec::from_slice(held));
    let verdicts = SmallVec::with_capacity(group.hits.len());
    let mut settling = Settling { hits: &group.hits, now, of_hit: &counters.of_hit, held, verdicts };
    let mut tally = Tally::new(group.quota_passed);
    for run in runs(&group.hits) {
        settling.charge_together(run.clone());
        if group.atomic {
            tally.add(settling.outcome(run));
        }
    }
    if let Some(untouched) = untouched
        && (group.refused || tally.refuses())
    {
        settling.held.copy_from_slice(&untouched);
        settling.refuse(0..group.hits.len());
    }
    settling.verdicts
}

/// [`settle`] without a list of anything, for a hit that no other of its group depends on: the only one, or one of a group
/// that is not atomic and alone of its descriptor.
#[must_use]
pub fn settle_one(group: &Group, hit: &Hit, now: Timestamp, prior: Option<State>) -> Step {
    let charged = step(prior, &hit.limit, now, hit.charge);
    // one that is over is charged alike whether it refuses its group or not
    if group.atomic && group.refused && !hit.shadow && charged.verdict.allowed {
        refuse(prior, &hit.limit, now, hit.charge, true)
    } else {
        charged
    }
}

/// The hits of each descriptor.
fn runs(hits: &[Hit]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut end = 0;
    hits.chunk_by(|one, next| one.descriptor == next.descriptor).map(move |run| {
        let start = end;
        end += run.len();
        start..end
    })
}

struct Settling<'a> {
    hits: &'a [Hit],
    now: Timestamp,
    of_hit: &'a [u32],
    held: &'a mut [Held],
    /// One for each hit that was reached so far.
    verdicts: SmallVec<[Verdict; 1]>,
}

impl Settling<'_> {
    /// Charges the hits of one descriptor: all, unless an enforced one of several is over.
    fn charge_together(&mut self, run: Range<usize>) {
        let untouched: SmallVec<[Held; 4]> = match run.len() {
            0 | 1 => SmallVec::new(),
            _ => run.clone().map(|hit| self.held[self.of_hit[hit] as usize]).collect(),
        };
        for hit in run.clone() {
            let verdict = self.charge(hit);
            self.verdicts.push(verdict);
        }
        if run.len() > 1 && self.outcome(run.clone()).over {
            for (hit, held) in run.clone().zip(untouched) {
                self.held[self.of_hit[hit] as usize] = held;
            }
            self.refuse(run);
        }
    }

    /// Charges one hit on the state as it is.
    fn charge(&mut self, hit: usize) -> Verdict {
        let Hit { limit, charge, .. } = &self.hits[hit];
        let held = &mut self.held[self.of_hit[hit] as usize];
        let Step { next, verdict } = step(held.state, limit, self.now, *charge);
        if next.is_some() {
            *held = Held { state: next, written_by: Some(hit) };
        }
        verdict
    }

    /// What is left of hits that were refused together, on states that are again as before them: shadow ones are
    /// charged; enforced ones are, if they were over and their limits count that, and are reported as they were found.
    fn refuse(&mut self, run: Range<usize>) {
        for hit in run {
            let Hit { limit, charge, shadow, .. } = &self.hits[hit];
            if *shadow {
                self.verdicts[hit] = self.charge(hit);
                continue;
            }
            let held = &mut self.held[self.of_hit[hit] as usize];
            let Step { next, verdict } = refuse(held.state, limit, self.now, *charge, self.verdicts[hit].allowed);
            if next.is_some() {
                *held = Held { state: next, written_by: Some(hit) };
            }
            self.verdicts[hit] = verdict;
        }
    }

    /// What the hits of one descriptor mean for the answer. Shadow hits mean nothing.
    fn outcome(&self, run: Range<usize>) -> Outcome {
        let over = run.clone().any(|hit| !self.hits[hit].shadow && !self.verdicts[hit].allowed);
        Outcome { over, shadow: false, quota: self.hits[run].iter().any(|hit| hit.quota) }
    }
}
