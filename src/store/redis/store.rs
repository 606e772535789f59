//! The store itself: routes groups, hands their parts to the batcher, and puts the outcomes together.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use smallvec::SmallVec;
use tokio::{task::JoinHandle, time::Instant};

use super::{
    CallError, Caller, RedisStats,
    batch::{Batcher, Inbox, MAX_COUNTERS, Ticket},
    refusal,
    route::{self, Lane, Part, Routes, Side},
};
use crate::domain::{Algorithm, Capabilities, CounterKey, Group, RateLimiter, StoreError, Verdicts};

/// How a store behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// A check that has no answer after this has none at all.
    pub timeout: Duration,
    /// The same, for limits that are counted on the second Redis.
    pub per_second_timeout: Duration,
    /// Counters live up to this much longer than needed, at random.
    pub max_jitter: Duration,
    /// Parts of requests that may wait or be in flight; more are shed at once.
    pub max_pending: NonZeroUsize,
}

/// Counters in Redis. Lives on the runtime that started it; each worker has its own.
///
/// A group that is all or nothing is so on each place that counts it: a Redis, or a slot of a cluster. Another is charged
/// descriptor by descriptor, in as many calls as it takes.
#[derive(Debug)]
pub struct RedisStore<C> {
    main: Arc<C>,
    per_second: Option<Arc<C>>,
    routes: Routes,
    options: StoreOptions,
    inbox: Arc<Inbox>,
    stats: Arc<RedisStats>,
    batcher: Mutex<Option<JoinHandle<()>>>,
}

impl<C: Caller> RedisStore<C> {
    /// A store over `main`, with a second client for limits per second where there is one. Spawns its batcher, which
    /// ends with the store.
    #[must_use]
    pub fn start(main: C, per_second: Option<C>, options: StoreOptions, stats: Arc<RedisStats>) -> Self {
        let (main, per_second) = (Arc::new(main), per_second.map(Arc::new));
        let routes = Routes {
            main_has_slots: main.has_slots(),
            per_second_has_slots: per_second.as_ref().map(|caller| caller.has_slots()),
        };
        let inbox = Inbox::new(options.max_pending.get(), Arc::clone(&stats));
        let (one, other) = (Arc::clone(&main), per_second.clone());
        let batcher = Batcher::new(Arc::clone(&inbox), one, other, options.max_jitter, &stats.trouble);
        let batcher = Mutex::new(Some(tokio::spawn(batcher.run())));
        Self { main, per_second, routes, options, inbox, stats, batcher }
    }

    /// Hands a part of what was asked for at `asked` to the batcher.
    fn submit(&self, lane: Lane, group: Group, asked: Instant) -> Result<Ticket, StoreError> {
        let timeout = match lane.side {
            Side::Main => self.options.timeout,
            Side::PerSecond => self.options.per_second_timeout,
        };
        let latest = (asked + timeout).into_std();
        let deadline = group.deadline.map_or(latest, |deadline| deadline.min(latest));
        let ticket = if self.caller(lane.side).admits(lane.slot) {
            self.inbox.submit(lane, group, deadline)
        } else {
            Err(StoreError::Tripped)
        };
        ticket.inspect_err(|error| self.stats.count_failed(*error))
    }

    /// Checks a group that is sent at once.
    async fn check_at_once(&self, group: Group, asked: Instant) -> Verdicts {
        let hits = group.hits.len();
        match self.routes.whole(&group) {
            Some(lane) => outcomes(self.submit(lane, group, asked), hits).await,
            None if hits == 0 => Verdicts::new(),
            // boxed, as it is seldom and large
            None => Box::pin(self.check_parts(hits, self.routes.split(&group), asked)).await,
        }
    }

    /// Checks a group that no call can carry, one piece after the other: the calls of other requests come between them.
    async fn check_pieces(&self, group: Group, asked: Instant) -> Verdicts {
        let mut verdicts = Verdicts::with_capacity(group.hits.len());
        for piece in route::pieces(&group, MAX_COUNTERS) {
            verdicts.extend(self.check_at_once(piece, asked).await);
        }
        verdicts
    }

    async fn check_parts(&self, hits: usize, parts: SmallVec<[Part; 4]>, asked: Instant) -> Verdicts {
        let mut verdicts: Verdicts = SmallVec::from_elem(Err(StoreError::Closed), hits);
        let sent: SmallVec<[_; 4]> =
            parts.into_iter().map(|part| (self.submit(part.lane, part.group, asked), part.places)).collect();
        for (answer, places) in sent {
            for (place, verdict) in places.iter().zip(outcomes(answer, places.len()).await) {
                verdicts[*place] = verdict;
            }
        }
        verdicts
    }

    fn caller(&self, side: Side) -> &C {
        match (side, &self.per_second) {
            (Side::PerSecond, Some(caller)) => caller,
            _ => &self.main,
        }
    }
}

/// What became of the hits of one part.
async fn outcomes(ticket: Result<Ticket, StoreError>, hits: usize) -> Verdicts {
    let outcome = match ticket {
        Ok(ticket) => ticket.outcome().await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(verdicts) => verdicts.into_iter().map(Ok).collect(),
        Err(error) => SmallVec::from_elem(Err(error), hits),
    }
}

impl<C: Caller> RateLimiter for RedisStore<C> {
    async fn check(&self, group: Group) -> Verdicts {
        let asked = Instant::now();
        if group.atomic || group.hits.len() <= MAX_COUNTERS {
            return self.check_at_once(group, asked).await;
        }
        Box::pin(self.check_pieces(group, asked)).await
    }

    async fn reset(&self, key: &CounterKey) -> Result<bool, StoreError> {
        if self.inbox.is_closed() {
            return Err(StoreError::Closed);
        }
        let mut existed = false;
        for lane in self.routes.of_key(key.as_bytes()) {
            let caller = self.caller(lane.side);
            existed |= caller.delete(lane.slot, key).await.map_err(|error| match error {
                CallError::Unreachable => StoreError::Unreachable,
                CallError::Tripped => StoreError::Tripped,
                CallError::Unanswered(_) => StoreError::Unanswered,
                CallError::Unreadable(_) => {
                    self.stats.trouble.unreadable(&error);
                    StoreError::Unreadable
                }
                CallError::Refused(text) => {
                    let code = refusal::code(&text);
                    if code == "READONLY" {
                        caller.reconnect();
                    }
                    StoreError::Refused(refusal::of(code))
                }
            })?;
        }
        Ok(existed)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { algorithms: &Algorithm::ALL, atomic_groups: true }
    }

    async fn close(&self) {
        self.inbox.close();
        let batcher = self.batcher.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(batcher) = batcher {
            // it ends by itself: every call in flight has a deadline
            let _ = batcher.await;
        }
        self.main.close().await;
        if let Some(per_second) = &self.per_second {
            per_second.close().await;
        }
    }
}

impl<C> Drop for RedisStore<C> {
    fn drop(&mut self) {
        if let Some(batcher) = self.batcher.get_mut().unwrap_or_else(PoisonError::into_inner) {
            batcher.abort();
        }
    }
}
