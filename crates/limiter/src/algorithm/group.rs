//! Settles all the hits of one request on the states of their counters, in order: one counter may be hit several times,
//! the limits of one descriptor are charged all or none, and so are atomic groups.

use std::ops::Range;

use smallvec::SmallVec;

use super::{State, Step, refuse, step};
use crate::domain::{Group, Hit, Outcome, Tally, Timestamp, Verdict};

/// Up to this many hits, comparing each with the earlier ones is cheaper than sorting.
const MAX_COMPARED: usize = 8;

/// Which hits of a group share a counter. Counters are numbered from 0 in the order of their first hits, so groups that
/// differ only in the names of their counters have equal numbers.
#[derive(Clone, Debug)]
pub struct Counters {
    of_hit: SmallVec<[u32; 8]>,
    first_hit: SmallVec<[u32; 8]>,
}

impl Counters {
    /// Finds out which hits have equal keys.
    #[must_use]
    pub fn of(group: &Group) -> Self {
        if group.hits.len() > MAX_COMPARED { Self::sorted(group) } else { Self::compared(group) }
    }

    /// Searches each hit's counter among those of the hits before it.
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

    /// Sorts the hits by key, so that equal keys are adjacent.
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

    /// The number of different counters.
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

    /// For each counter, the index of its first hit.
    pub fn first_hits(&self) -> impl Iterator<Item = usize> + '_ {
        self.first_hit.iter().map(|hit| *hit as usize)
    }
}

/// The working state of one counter while its group is settled.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Held {
    /// Its state; `None` if it does not exist.
    pub state: Option<State>,
    /// The index of the last hit that changed it, whose limit determines when it expires; `None` if there is nothing to
    /// write back.
    pub written_by: Option<usize>,
    /// The time of its hits, if it is not that of the group.
    pub now: Option<Timestamp>,
}

impl Held {
    /// A counter as read from the store.
    #[must_use]
    pub const fn found(state: Option<State>) -> Self {
        Self { state, written_by: None, now: None }
    }

    /// The same counter, whose hits have a time of their own.
    #[must_use]
    pub const fn at(self, now: Option<Timestamp>) -> Self {
        Self { now, ..self }
    }

    /// Takes the result of a hit on it.
    pub const fn take_up(&mut self, hit: usize, step: &Step) {
        if step.next.is_some() {
            (self.state, self.written_by) = (step.next, Some(hit));
        }
    }
}

/// Settles a group and returns one verdict for each hit, in order. `held` has one entry for each of `counters`, as read
/// from the store; afterwards each entry says what to write back.
///
/// # Panics
/// If `counters` belongs to another group, or `held` has another length.
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

/// [`settle`] without any list, for a hit that no other hit of its group depends on: the only hit of its group, or the
/// only hit of its descriptor in a group that is not atomic.
#[must_use]
pub fn settle_one(group: &Group, hit: &Hit, now: Timestamp, prior: Option<State>) -> Step {
    let charged = step(prior, &hit.limit, now, hit.charge);
    // a hit that is over its limit is charged alike, whether or not its group is denied for another reason
    if group.atomic && group.refused && !hit.shadow && charged.verdict.allowed {
        refuse(prior, &hit.limit, now, hit.charge, true)
    } else {
        charged
    }
}

/// The ranges of consecutive hits that belong to one descriptor.
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
    /// One for each hit settled so far.
    verdicts: SmallVec<[Verdict; 1]>,
}

impl Settling<'_> {
    /// Charges the hits of one descriptor: all of them, unless there are several and an enforced one is over its limit.
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

    /// Charges one hit on the present state of its counter.
    fn charge(&mut self, hit: usize) -> Verdict {
        let Hit { limit, charge, .. } = &self.hits[hit];
        let held = &mut self.held[self.of_hit[hit] as usize];
        let step = step(held.state, limit, held.now.unwrap_or(self.now), *charge);
        held.take_up(hit, &step);
        step.verdict
    }

    /// Settles hits that were denied together, on states restored to what they were before these hits. Shadow hits are
    /// charged. An enforced hit is charged only if it was over and its limit counts denied hits; its verdict keeps
    /// `allowed` as it was.
    fn refuse(&mut self, run: Range<usize>) {
        for hit in run {
            let Hit { limit, charge, shadow, .. } = &self.hits[hit];
            if *shadow {
                self.verdicts[hit] = self.charge(hit);
                continue;
            }
            let held = &mut self.held[self.of_hit[hit] as usize];
            let now = held.now.unwrap_or(self.now);
            let step = refuse(held.state, limit, now, *charge, self.verdicts[hit].allowed);
            held.take_up(hit, &step);
            self.verdicts[hit] = step.verdict;
        }
    }

    /// The outcome of one descriptor's hits for the request. Shadow hits have no influence.
    fn outcome(&self, run: Range<usize>) -> Outcome {
        let over = run.clone().any(|hit| !self.hits[hit].shadow && !self.verdicts[hit].allowed);
        Outcome { over, shadow: false, quota: self.hits[run].iter().any(|hit| hit.quota) }
    }
}
