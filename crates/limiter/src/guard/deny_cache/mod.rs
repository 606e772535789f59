//! Answers for counters that are known to be over their limit, without asking the store.
//!
//! A hit that the store denied stays denied for the same or a larger amount under the same limit until its counter
//! empties. So a denial is held for that long, for one second at most: a refund or a reset elsewhere is seen then.
//!
//! What goes to the store in any case, and is not held: all-or-nothing groups and descriptors (their members depend on
//! each other, and one that is over may fit again once its group is put back), requests that are refused already,
//! looks, refunds, and takings from a counter that the same request refunds. Denials by a sliding window or a bucket
//! that counts what it denies are not held either: there the store has to count each one. A fixed window that is over
//! stays so, however much more is counted; like the reference, what is answered from here is no longer added to it.

mod entry;
mod stats;
mod table;
#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use foldhash::fast::RandomState;
use smallvec::SmallVec;
// tests let time pass
#[cfg(not(test))]
use std::time::Instant;
#[cfg(test)]
use tokio::time::Instant;

use self::entry::Entry;
pub use self::table::DenyTable;
use crate::domain::{Capabilities, Charge, CounterKey, Group, Hit, RateLimiter, StoreError, Verdict, Verdicts};

/// A limiter whose denials are remembered in a table that it may share with others over the same store.
#[derive(Debug)]
pub struct DenyCache<L> {
    inner: L,
    memory: Arc<Memory>,
}

/// What the checks that are under way share.
#[derive(Debug)]
struct Memory {
    table: Arc<DenyTable>,
    closed: AtomicBool,
}

impl<L: RateLimiter> DenyCache<L> {
    /// Puts the table in front of a limiter.
    #[must_use]
    pub fn new(inner: L, table: Arc<DenyTable>) -> Self {
        Self { inner, memory: Arc::new(Memory { table, closed: AtomicBool::new(false) }) }
    }

    /// Asks the store, and keeps or drops what its answers change.
    fn ask(&self, group: Arc<Group>) -> impl Future<Output = Verdicts> + Send + use<L> {
        let (memory, sent) = (Arc::clone(&self.memory), Instant::now());
        let outcome = self.inner.begin(Arc::clone(&group));
        async move {
            let verdicts = outcome.await;
            memory.learn(&group, &verdicts, sent);
            verdicts
        }
    }
}

impl<L: RateLimiter> DenyCache<L> {
    /// Asks the store for what the table does not know.
    fn divide(&self, group: Arc<Group>) -> Asked<impl Future<Output = Verdicts> + Send + use<L>> {
        if self.memory.closed.load(Ordering::Relaxed) {
            return Asked::Known(group.hits.iter().map(|_| Err(StoreError::Closed)).collect());
        }
        if goes_whole(&group) {
            return Asked::Store(self.ask(group));
        }
        let known: SmallVec<[Option<Verdict>; 1]> =
            self.memory.answers(&group.hits, DenyTable::answer_or_miss).collect();
        let answered = known.iter().flatten().count();
        if answered == 0 {
            return Asked::Store(self.ask(group));
        }
        self.memory.table.count(answered);
        if answered == known.len() {
            return Asked::Known(known.into_iter().flatten().map(Ok).collect());
        }
        let hits = group.hits.iter().zip(&known).filter(|(_, known)| known.is_none()).map(|(hit, _)| hit.clone());
        let rest = self.ask(Arc::new(Group { hits: hits.collect(), ..*group }));
        Asked::Both { known, rest }
    }
}

/// How the table is asked about a hit.
type Look = fn(&DenyTable, &Hit, Instant) -> Option<Verdict>;

impl Memory {
    /// What the table answers, hit by hit; `None` for those that are for the store.
    fn answers<'h>(&'h self, hits: &'h [Hit], look: Look) -> impl Iterator<Item = Option<Verdict>> + 'h {
        let (now, refunded) = (Instant::now(), refunded(hits));
        hits.iter().enumerate().map(move |(at, hit)| {
            let eligible = takes(hit) && is_alone(hits, at) && !refunded.contains(&hit.key);
            if eligible { look(&self.table, hit, now) } else { None }
        })
    }

    /// Keeps or drops what the store's answers to a question put at `sent` change.
    fn learn(&self, group: &Group, verdicts: &Verdicts, sent: Instant) {
        let (hits, whole) = (&group.hits, goes_whole(group));
        let refunded = refunded(hits);
        for (at, (hit, verdict)) in hits.iter().zip(verdicts).enumerate() {
            match (hit.charge, verdict) {
                // also if the store did not say: it may have refunded
                (Charge::Give(_), _) if !hit.charge.is_look() => self.table.forget(&hit.key),
                (Charge::Take(_), Ok(verdict))
                    if !verdict.allowed
                        && takes(hit)
                        && !whole
                        && is_alone(hits, at)
                        && !refunded.contains(&hit.key) =>
                {
                    if let Some(entry) = Entry::of(hit, verdict, sent) {
                        self.table.hold(hit.key.clone(), entry);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Who answers a check.
enum Asked<F> {
    /// This process alone.
    Known(Verdicts),
    Store(F),
    /// The store those hits that the table does not know.
    Both {
        known: SmallVec<[Option<Verdict>; 1]>,
        rest: F,
    },
}

/// Whether the store has to see the whole group: its outcomes depend on each other, or on a time that is not ours.
fn goes_whole(group: &Group) -> bool {
    group.atomic || group.refused || group.now.is_some()
}

fn takes(hit: &Hit) -> bool {
    matches!(hit.charge, Charge::Take(_)) && !hit.charge.is_look()
}

/// Whether a hit is its descriptor's only one.
fn is_alone(hits: &[Hit], at: usize) -> bool {
    let descriptor = hits[at].descriptor;
    let same = |other: Option<&Hit>| other.is_some_and(|other| other.descriptor == descriptor);
    !same(at.checked_sub(1).and_then(|before| hits.get(before))) && !same(hits.get(at + 1))
}

/// The counters that a request refunds, if it may take from them too.
fn refunded(hits: &[Hit]) -> HashSet<&CounterKey, RandomState> {
    let gives = |hit: &&Hit| hits.len() > 1 && matches!(hit.charge, Charge::Give(_));
    hits.iter().filter(gives).map(|hit| &hit.key).collect()
}

impl<L: RateLimiter> RateLimiter for DenyCache<L> {
    fn begin(&self, group: Arc<Group>) -> impl Future<Output = Verdicts> + Send + use<L> {
        let asked = self.divide(group);
        async move {
            match asked {
                Asked::Known(verdicts) => verdicts,
                Asked::Store(outcome) => outcome.await,
                Asked::Both { known, rest } => {
                    let mut asked = rest.await.into_iter();
                    let filled = known.into_iter().map(|known| match known {
                        Some(verdict) => Ok(verdict),
                        None => asked.next().expect("a limiter gives one outcome for each hit"),
                    });
                    filled.collect()
                }
            }
        }
    }

    fn try_check(&self, group: &Group) -> Option<Verdicts> {
        if self.memory.closed.load(Ordering::Relaxed) || goes_whole(group) {
            return None;
        }
        let mut verdicts = Verdicts::with_capacity(group.hits.len());
        for answer in self.memory.answers(&group.hits, DenyTable::answer) {
            verdicts.push(Ok(answer?));
        }
        self.memory.table.count(verdicts.len());
        Some(verdicts)
    }

    async fn reset(&self, key: &CounterKey) -> Result<bool, StoreError> {
        let outcome = self.inner.reset(key).await;
        // also if the store did not say: it may have forgotten the counter
        self.memory.table.forget(key);
        outcome
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn close(&self) {
        self.memory.closed.store(true, Ordering::Relaxed);
        self.inner.close().await;
    }
}
