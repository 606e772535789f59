//! A part of a request that waits for Redis.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::super::RedisStats;
use crate::domain::{Group, StoreError, Verdict};

/// The outcome of a part: a verdict for each of its hits.
pub(in super::super) type Outcome = Result<SmallVec<[Verdict; 1]>, StoreError>;

/// A part that has not been sent.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) group: Group,
    pub(super) waiter: Waiter,
}

/// Whoever waits for a part, until answered.
#[derive(Debug)]
pub(super) struct Waiter {
    reply: Option<oneshot::Sender<Outcome>>,
    deadline: Instant,
}

impl Waiter {
    pub(super) const fn new(reply: oneshot::Sender<Outcome>, deadline: Instant) -> Self {
        Self { reply: Some(reply), deadline }
    }

    /// When it will be too late; `None` once answered.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.reply.as_ref().map(|_| self.deadline)
    }

    /// Whether its deadline has passed.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.deadline <= now
    }

    /// Whether the caller has left without an answer.
    pub(super) fn has_left(&self) -> bool {
        self.reply.as_ref().is_some_and(oneshot::Sender::is_closed)
    }

    /// Whether nobody waits any more: answered, or the caller has left.
    pub(super) fn is_gone(&self) -> bool {
        self.reply.is_none() || self.has_left()
    }

    /// Answers, once: later answers are dropped.
    pub(super) fn answer(&mut self, outcome: Outcome) {
        if let Some(reply) = self.reply.take() {
            // whoever has left needs no answer
            let _ = reply.send(outcome);
        }
    }

    /// Fails, if not answered before.
    pub(super) fn fail(&mut self, error: StoreError, stats: &RedisStats) {
        if self.reply.is_some() {
            stats.count_failed(error);
            self.answer(Err(error));
        }
    }
}

/// The answer to a part, and its place. Dropped, the place is free at once; what was not sent yet is not charged.
#[derive(Debug)]
pub(in super::super) struct Ticket {
    pub(super) answer: oneshot::Receiver<Outcome>,
    pub(super) _place: Place,
}

impl Ticket {
    /// Waits for it. A batcher that ended has none.
    pub(in super::super) async fn outcome(self) -> Outcome {
        self.answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

/// One of the places that a store has for parts; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) held: Arc<super::Places>,
    pub(super) stats: Arc<RedisStats>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.held.taken.fetch_sub(1, Relaxed);
        self.stats.pending.fetch_sub(1, Relaxed);
    }
}
