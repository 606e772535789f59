//! Answers for counters that are known to be over their limit, without asking the store.
//!
//! A hit that the store denied stays denied for the same or a larger amount under the same limit until its counter
//! empties. So a denial is held for that long, for one second at most: a refund or a reset elsewhere is seen then.
//!
//! What goes to the store in any case, and is not held: all-or-nothing groups and descriptors (their members depend on
//! each other), requests that are refused already, looks, refunds, and takings from a counter that the same request
//! refunds. Denials by a sliding window or a bucket that counts what it denies are not held either: there the store
//! has to count each one. A fixed window that is over stays so, however much more is counted; like the reference, what
//! is answered from here is no longer added to it.

mod entry;
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
use tokio::time::Instant;

use self::entry::Entry;
pub use self::table::DenyTable;
use crate::domain::{Capabilities, Charge, CounterKey, Group, Hit, RateLimiter, StoreError, Verdict, Verdicts};

/// A limiter whose denials are remembered in a table that it may share with others over the same store.
#[derive(Debug)]
pub struct DenyCache<L> {
    inner: L,
    table: Arc<DenyTable>,
    closed: AtomicBool,
}

impl<L: RateLimiter> DenyCache<L> {
    /// Puts the table in front of a limiter.
    #[must_use]
    pub const fn new(inner: L, table: Arc<DenyTable>) -> Self {
        Self { inner, table, closed: AtomicBool::new(false) }
    }

    /// What the table answers, hit by hit; `None` for those that are for the store.
    fn answers<'h>(&'h self, hits: &'h [Hit]) -> impl Iterator<Item = Option<Verdict>> + 'h {
        let (now, refunded) = (Instant::now(), refunded(hits));
        hits.iter().enumerate().map(move |(at, hit)| {
            let eligible = takes(hit) && is_alone(hits, at) && !refunded.contains(&hit.key);
            if eligible { self.table.answer(hit, now) } else { None }
        })
    }

    /// Asks the store, and keeps or drops what its answers change. `sent` is when the question was put.
    async fn ask(&self, group: Group) -> Verdicts {
        let notes: SmallVec<[Note; 1]> = notes(&group);
        let sent = Instant::now();
        let verdicts = self.inner.check(group).await;
        for (note, verdict) in notes.into_iter().zip(&verdicts) {
            match (note, verdict) {
                // also if the store did not say: it may have refunded
                (Note::Refund(key), _) => self.table.forget(&key),
                (Note::Taking(hit), Ok(verdict)) => {
                    if let Some(entry) = Entry::of(&hit, verdict, sent) {
                        self.table.hold(hit.key, entry);
                    }
                }
                (Note::Taking(_), Err(_)) | (Note::Nothing, _) => {}
            }
        }
        verdicts
    }
}

/// What the store's answer to a hit may do to the table.
enum Note {
    Taking(Hit),
    Refund(CounterKey),
    Nothing,
}

fn notes(group: &Group) -> SmallVec<[Note; 1]> {
    let hits = &group.hits;
    let refunded = refunded(hits);
    let note = |(at, hit): (usize, &Hit)| match hit.charge {
        Charge::Give(_) if !hit.charge.is_look() => Note::Refund(hit.key.clone()),
        Charge::Take(_) if takes(hit) && !goes_whole(group) && is_alone(hits, at) && !refunded.contains(&hit.key) => {
            Note::Taking(hit.clone())
        }
        _ => Note::Nothing,
    };
    hits.iter().enumerate().map(note).collect()
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
    async fn check(&self, group: Group) -> Verdicts {
        if self.closed.load(Ordering::Relaxed) {
            return group.hits.iter().map(|_| Err(StoreError::Closed)).collect();
        }
        if goes_whole(&group) {
            return self.ask(group).await;
        }
        let known: SmallVec<[Option<Verdict>; 1]> = self.answers(&group.hits).collect();
        let answered = known.iter().flatten().count();
        if answered == 0 {
            return self.ask(group).await;
        }
        self.table.count(answered);
        let mut rest = group;
        let mut known_too = known.iter();
        rest.hits.retain(|_| known_too.next().is_some_and(Option::is_none));
        let mut asked = if rest.hits.is_empty() { Verdicts::new() } else { self.ask(rest).await }.into_iter();
        let filled = known.into_iter().map(|known| match known {
            Some(verdict) => Ok(verdict),
            None => asked.next().expect("a limiter gives one outcome for each hit"),
        });
        filled.collect()
    }

    fn check_at_once(&self, group: &Group) -> Option<Verdicts> {
        if self.closed.load(Ordering::Relaxed) || goes_whole(group) {
            return None;
        }
        let mut verdicts = Verdicts::with_capacity(group.hits.len());
        for answer in self.answers(&group.hits) {
            verdicts.push(Ok(answer?));
        }
        self.table.count(verdicts.len());
        Some(verdicts)
    }

    async fn reset(&self, key: &CounterKey) -> Result<bool, StoreError> {
        let outcome = self.inner.reset(key).await;
        // also if the store did not say: it may have forgotten the counter
        self.table.forget(key);
        outcome
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.inner.close().await;
    }
}
