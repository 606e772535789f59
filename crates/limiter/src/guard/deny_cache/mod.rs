//! Answers hits on counters that are known to be over their limit, without asking the store.
//!
//! A hit that the store denied stays denied, for the same or a larger amount under the same limit, until its counter
//! empties. So a denial is kept for that time, but for one second at most, so that a refund or reset elsewhere takes
//! effect.
//!
//! Always sent to the store, and not kept: all-or-nothing groups and descriptors (their hits depend on each other, and
//! one that was over may fit once its group is undone), requests that are denied already, looks, refunds, and hits on a
//! counter that the same request refunds. Denials by a sliding window or a bucket that counts denied hits are not kept
//! either, because the store has to count each of them. A fixed window that is over stays over however much is added;
//! as in the reference, hits that are answered from here are not added to it.

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
// tests control the clock
#[cfg(not(test))]
use std::time::Instant;
#[cfg(test)]
use tokio::time::Instant;

use self::entry::Entry;
pub use self::table::DenyTable;
use crate::domain::{Capabilities, Charge, CounterKey, Group, Hit, Limit, RateLimiter, StoreError, Verdict, Verdicts};

/// A limiter that remembers denials in a table, which it may share with other limiters over the same store.
#[derive(Debug)]
pub struct DenyCache<L> {
    inner: L,
    shared: Arc<Shared>,
}

/// What the checks in flight share.
#[derive(Debug)]
struct Shared {
    table: Arc<DenyTable>,
    closed: AtomicBool,
}

impl<L: RateLimiter> DenyCache<L> {
    /// Puts `table` in front of a limiter.
    #[must_use]
    pub fn new(inner: L, table: Arc<DenyTable>) -> Self {
        Self { inner, shared: Arc::new(Shared { table, closed: AtomicBool::new(false) }) }
    }

    /// Sends the group to the store, and updates the table from its answers.
    fn ask(&self, group: Arc<Group>) -> impl Future<Output = Verdicts> + Send + use<L> {
        let (shared, sent) = (Arc::clone(&self.shared), Instant::now());
        let outcome = self.inner.begin(Arc::clone(&group));
        async move {
            let verdicts = outcome.await;
            shared.learn(&group, &verdicts, sent);
            verdicts
        }
    }
}

impl<L: RateLimiter> DenyCache<L> {
    /// Sends the hits that the table does not answer to the store.
    fn divide(&self, group: Arc<Group>) -> Answers<impl Future<Output = Verdicts> + Send + use<L>> {
        if self.shared.closed.load(Ordering::Relaxed) {
            return Answers::Known(group.hits.iter().map(|_| Err(StoreError::Closed)).collect());
        }
        if goes_whole(&group) {
            return Answers::Store(self.ask(group));
        }
        let known: SmallVec<[Option<Verdict>; 1]> =
            self.shared.answers(&group.hits, DenyTable::answer_or_miss).collect();
        let answered = known.iter().flatten().count();
        if answered == 0 {
            return Answers::Store(self.ask(group));
        }
        self.shared.table.count(answered);
        if answered == known.len() {
            return Answers::Known(known.into_iter().flatten().map(Ok).collect());
        }
        let hits = group.hits.iter().zip(&known).filter(|(_, known)| known.is_none()).map(|(hit, _)| hit.clone());
        let rest = self.ask(Arc::new(Group { hits: hits.collect(), ..*group }));
        Answers::Both { known, rest }
    }
}

/// One of the lookups of [`DenyTable`].
type Look = fn(&DenyTable, &Hit, Instant) -> Option<Verdict>;

impl Shared {
    /// The table's answer for each hit; `None` for hits that go to the store.
    fn answers<'h>(&'h self, hits: &'h [Hit], look: Look) -> impl Iterator<Item = Option<Verdict>> + 'h {
        let (now, refunded) = (Instant::now(), refunded(hits));
        hits.iter().enumerate().map(move |(at, hit)| {
            let eligible = takes(hit) && is_alone(hits, at) && !refunded.contains(&hit.key);
            if eligible { look(&self.table, hit, now) } else { None }
        })
    }

    /// Updates the table from the store's answers to a group that was sent at `sent`.
    fn learn(&self, group: &Group, verdicts: &Verdicts, sent: Instant) {
        let (hits, whole) = (&group.hits, goes_whole(group));
        let refunded = refunded(hits);
        for (at, (hit, verdict)) in hits.iter().zip(verdicts).enumerate() {
            match (hit.charge, verdict) {
                // also if the store failed: it may have refunded all the same
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

/// Where the answers of a check come from.
enum Answers<F> {
    /// All of them from this process.
    Known(Verdicts),
    Store(F),
    /// From this process those that are `Some`; from the store, in order, the rest.
    Both {
        known: SmallVec<[Option<Verdict>; 1]>,
        rest: F,
    },
}

/// Whether the whole group has to go to the store: its outcomes depend on each other, or on a given time.
fn goes_whole(group: &Group) -> bool {
    group.atomic || group.refused || group.now.is_some()
}

fn takes(hit: &Hit) -> bool {
    matches!(hit.charge, Charge::Take(_)) && !hit.charge.is_look()
}

/// Whether a hit is the only one of its descriptor.
fn is_alone(hits: &[Hit], at: usize) -> bool {
    let descriptor = hits[at].descriptor;
    let same = |other: Option<&Hit>| other.is_some_and(|other| other.descriptor == descriptor);
    !same(at.checked_sub(1).and_then(|before| hits.get(before))) && !same(hits.get(at + 1))
}

/// The counters that a request refunds; empty if it has a single hit, which cannot take from one of them.
fn refunded(hits: &[Hit]) -> HashSet<&CounterKey, RandomState> {
    let gives = |hit: &&Hit| hits.len() > 1 && matches!(hit.charge, Charge::Give(_));
    hits.iter().filter(gives).map(|hit| &hit.key).collect()
}

impl<L: RateLimiter> RateLimiter for DenyCache<L> {
    fn begin(&self, group: Arc<Group>) -> impl Future<Output = Verdicts> + Send + use<L> {
        let asked = self.divide(group);
        async move {
            match asked {
                Answers::Known(verdicts) => verdicts,
                Answers::Store(outcome) => outcome.await,
                Answers::Both { known, rest } => {
                    let mut asked = rest.await.into_iter();
                    let filled = known.into_iter().map(|known| match known {
                        Some(verdict) => Ok(verdict),
                        None => asked.next().expect("a limiter returns one outcome for each hit"),
                    });
                    filled.collect()
                }
            }
        }
    }

    fn try_check(&self, group: &Group) -> Option<Verdicts> {
        if self.shared.closed.load(Ordering::Relaxed) || goes_whole(group) {
            return None;
        }
        let mut verdicts = Verdicts::with_capacity(group.hits.len());
        for answer in self.shared.answers(&group.hits, DenyTable::answer) {
            verdicts.push(Ok(answer?));
        }
        self.shared.table.count(verdicts.len());
        Some(verdicts)
    }

    async fn reset(&self, key: &CounterKey, limit: &Limit) -> Result<bool, StoreError> {
        let outcome = self.inner.reset(key, limit).await;
        // also if the store failed: it may have dropped the counter all the same
        self.shared.table.forget(key);
        outcome
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn close(&self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        self.inner.close().await;
    }
}
