//! Batching without waiting: what arrives while a call is in flight leaves together in the next one.
//!
//! ```text
//!  check ─▶ inbox ─▶ batcher ─▶ a queue for each lane ─▶ flight: one call, its answers to those who wait
//!             ▲                                             │
//!             └────────────────── landed ◀──────────────────┘
//! ```
//!
//! A lane is what one call can serve: a whole Redis, or one slot of a cluster. An idle lane sends at once. The batcher
//! is a task of the store, and the flights are tasks of the batcher; callers only wait, and may leave.

mod flight;
mod queue;
mod slots;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use smallvec::SmallVec;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use self::{
    flight::{Ahead, Sky},
    queue::Queue,
    slots::{SlotId, Slots},
};
pub(super) use self::{queue::MAX_COUNTERS, slots::Ticket};
use super::{
    Caller, RedisStats,
    route::{Lane, Side},
    trouble::Trouble,
};
use crate::domain::{Group, StoreError};

/// Calls in flight on a Redis without slots: one runs while the other travels. More would make small batches.
const IN_FLIGHT: usize = 2;

/// Calls in flight for a slot: what is hot batches, what is not leaves at once.
const IN_FLIGHT_OF_SLOT: usize = 1;

/// What waits is looked through for what has expired no more often than this.
const BETWEEN_PURGES: Duration = Duration::from_millis(1);

/// The way to the batcher.
#[derive(Debug)]
pub(super) struct Inbox {
    mail: Mutex<Mail>,
    bell: Notify,
    slots: Arc<Slots>,
    stats: Arc<RedisStats>,
}

#[derive(Debug, Default)]
struct Mail {
    arrived: Vec<(Lane, SlotId, std::time::Instant)>,
    landed: Vec<Lane>,
    closed: bool,
}

impl Inbox {
    pub(super) fn new(max_pending: usize, stats: Arc<RedisStats>) -> Arc<Self> {
        let slots = Slots::new(max_pending, Arc::clone(&stats));
        Arc::new(Self { mail: Mutex::default(), bell: Notify::new(), slots, stats })
    }

    /// Hands a part to the batcher.
    pub(super) fn submit(
        &self,
        lane: Lane,
        group: Arc<Group>,
        deadline: std::time::Instant,
    ) -> Result<Ticket, StoreError> {
        let ticket = self.slots.queue(group, deadline)?;
        {
            let mut mail = self.lock();
            if mail.closed {
                return Err(StoreError::Closed);
            }
            mail.arrived.push((lane, ticket.id(), deadline));
        }
        self.bell.notify_one();
        Ok(ticket)
    }

    /// Takes nothing more; the batcher ends when what it has is answered.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.bell.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn land(&self, lane: Lane) {
        self.lock().landed.push(lane);
        self.bell.notify_one();
    }

    /// Swaps what has come for `emptied`, which keeps its room for what comes next.
    fn take(&self, emptied: &mut Mail) {
        let mut mail = self.lock();
        emptied.closed = mail.closed;
        std::mem::swap(&mut *mail, emptied);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that a flight has ended, however it ended; if by a panic, its checks fail.
struct Landing {
    inbox: Arc<Inbox>,
    lane: Lane,
    checks: Vec<SlotId>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut session = self.inbox.slots.session();
            self.checks.iter().for_each(|id| session.fail(*id, StoreError::Closed));
        }
        self.inbox.land(self.lane);
    }
}

/// Makes calls of what arrives.
#[derive(Debug)]
pub(super) struct Batcher<C> {
    inbox: Arc<Inbox>,
    main: Arc<Sky<C>>,
    per_second: Option<Arc<Sky<C>>>,
    lanes: HashMap<Lane, Queue, foldhash::fast::RandomState>,
    flights: JoinSet<()>,
    purge_at: Option<Instant>,
    mail: Mail,
    /// How many parts the queues hold, those of callers that have left among them.
    waiting: usize,
}

impl<C: Caller> Batcher<C> {
    pub(super) fn new(
        inbox: Arc<Inbox>,
        main: Arc<C>,
        per_second: Option<Arc<C>>,
        max_jitter: Duration,
        trouble: &Arc<Trouble>,
    ) -> Self {
        let sky = |caller| {
            let (stats, trouble) = (Arc::clone(&inbox.stats), Arc::clone(trouble));
            let slots = Arc::clone(&inbox.slots);
            Arc::new(Sky { caller, max_jitter, ahead: Ahead::default(), slots, stats, trouble })
        };
        let (main, per_second) = (sky(main), per_second.map(sky));
        Self {
            inbox,
            main,
            per_second,
            lanes: HashMap::default(),
            flights: JoinSet::new(),
            purge_at: None,
            mail: Mail::default(),
            waiting: 0,
        }
    }

    /// Until the inbox is closed and all that came before is answered.
    pub(super) async fn run(mut self) {
        loop {
            let inbox = Arc::clone(&self.inbox);
            match self.purge_at {
                None => inbox.bell.notified().await,
                Some(at) => tokio::select! {
                    () = inbox.bell.notified() => {}
                    () = sleep_until(at) => self.purge(),
                },
            }
            while self.flights.try_join_next().is_some() {}
            inbox.take(&mut self.mail);
            let closed = self.mail.closed;
            // those that lost a flight first, so that a new arrival is not sent before what waited for it
            let mut touched: SmallVec<[Lane; 4]> = self.mail.landed.drain(..).collect();
            for lane in &touched {
                if let Some(queue) = self.lanes.get_mut(lane) {
                    queue.in_flight = queue.in_flight.saturating_sub(1);
                }
            }
            for (lane, id, deadline) in self.mail.arrived.drain(..) {
                self.lanes.entry(lane).or_default().push(id, deadline);
                self.waiting += 1;
                if touched.last() != Some(&lane) {
                    touched.push(lane);
                }
            }
            for lane in touched {
                self.send(lane);
            }
            // no more than `most` are still waited for: the rest go, so that memory is bounded whoever comes and leaves
            if self.waiting > 2 * self.inbox.slots.most() {
                self.purge();
            }
            if closed && self.lanes.is_empty() {
                return;
            }
        }
    }

    /// Sends what a lane has, as far as it may.
    fn send(&mut self, lane: Lane) {
        let Some(queue) = self.lanes.get_mut(&lane) else { return };
        let most = if lane.slot.is_some() { IN_FLIGHT_OF_SLOT } else { IN_FLIGHT };
        let sky = match (lane.side, &self.per_second) {
            (Side::PerSecond, Some(sky)) => sky,
            _ => &self.main,
        };
        while queue.in_flight < most {
            let before = queue.len();
            let batch = queue.take(Instant::now().into_std(), &sky.slots);
            self.waiting -= before - queue.len();
            let Some(batch) = batch else { break };
            queue.in_flight += 1;
            let checks = batch.waiters.iter().flatten().copied().collect();
            let (sky, landing) = (Arc::clone(sky), Landing { inbox: Arc::clone(&self.inbox), lane, checks });
            self.flights.spawn(async move {
                let _landing = landing;
                flight::fly(&sky, lane.slot, batch).await;
            });
        }
        if queue.is_idle() {
            self.lanes.remove(&lane);
        } else if let Some(deadline) = queue.first_deadline() {
            // it waits for a flight that may take longer than its deadline
            let at = Instant::from_std(deadline);
            self.purge_at = Some(self.purge_at.map_or(at, |earlier| earlier.min(at)));
        }
    }

    /// Fails what has expired, and drops what nobody waits for.
    fn purge(&mut self) {
        let now = Instant::now();
        let slots = &self.inbox.slots;
        let next = self.lanes.values_mut().filter_map(|queue| queue.purge(now.into_std(), slots)).min();
        self.lanes.retain(|_, queue| !queue.is_idle());
        self.waiting = self.lanes.values().map(Queue::len).sum();
        self.purge_at = next.map(|next| Instant::from_std(next).max(now + BETWEEN_PURGES));
    }
}

impl<C> Drop for Batcher<C> {
    /// However it ends: by itself, aborted with the store, or by a panic.
    fn drop(&mut self) {
        self.inbox.close();
        self.inbox.slots.close();
    }
}

#[cfg(test)]
mod tests;
