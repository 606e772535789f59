//! Batching without added delay: checks that arrive while a call is in flight are sent together in the next one.
//!
//! ```text
//!  check ─▶ inbox ─▶ batcher ─▶ a queue for each lane ─▶ one call in flight: its answers go to the checks
//!             ▲                                             │
//!             └───────────────── finished ◀─────────────────┘
//! ```
//!
//! A lane is what one call can serve: a whole Redis, one slot of a cluster, or one key behind a proxy. An idle lane
//! sends at once. The batcher is a task of the store, and the calls in flight are tasks of the batcher; callers only
//! wait, and may leave.

mod context;
mod existing;
mod plain;
mod queue;
mod send;
mod slots;

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use smallvec::SmallVec;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, Sleep, sleep_until},
};

use self::{
    context::CallContext,
    existing::Existing,
    queue::Queue,
    slots::{SlotId, Slots},
};
pub(super) use self::{queue::MAX_KEYS_PER_CALL, slots::Ticket};
use super::{
    Caller, RedisStats, StoreOptions,
    error_log::ErrorLog,
    route::{Lane, Partition, Side},
};
use limiter::domain::{Group, StoreError};

/// The most calls in flight to a Redis as a whole: one runs while the other is on the network. More would make batches
/// smaller.
const IN_FLIGHT: usize = 2;

/// The most calls in flight for a slot or a key: checks of a hot one are batched, those of an idle one are sent at
/// once.
const IN_FLIGHT_OF_PARTITION: usize = 1;

/// The least time between two searches of the queues for expired checks.
const BETWEEN_PURGES: Duration = Duration::from_millis(1);

/// What the store and the calls in flight hand to the batcher.
#[derive(Debug)]
pub(super) struct Inbox {
    mail: Mutex<Mail>,
    wake: Notify,
    slots: Arc<Slots>,
    stats: Arc<RedisStats>,
}

#[derive(Debug, Default)]
struct Mail {
    arrived: Vec<(Lane, SlotId)>,
    finished: Vec<Lane>,
    closed: bool,
}

impl Inbox {
    pub(super) fn new(max_pending: usize, stats: Arc<RedisStats>) -> Arc<Self> {
        let slots = Slots::new(max_pending, Arc::clone(&stats));
        Arc::new(Self { mail: Mutex::default(), wake: Notify::new(), slots, stats })
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
            mail.arrived.push((lane, ticket.id()));
        }
        self.wake.notify_one();
        Ok(ticket)
    }

    /// Accepts nothing more; the batcher ends when all that it holds is answered.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn finished(&self, lane: Lane) {
        self.lock().finished.push(lane);
        self.wake.notify_one();
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

/// Reports the end of a call in flight to the batcher, however it ends; after a panic, its checks fail.
struct InFlightGuard {
    inbox: Arc<Inbox>,
    lane: Lane,
    checks: Vec<SlotId>,
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut session = self.inbox.slots.session();
            self.checks.iter().for_each(|id| session.fail(*id, StoreError::Closed));
        }
        self.inbox.finished(self.lane);
    }
}

/// Makes calls of what arrives.
#[derive(Debug)]
pub(super) struct Batcher<C> {
    inbox: Arc<Inbox>,
    main: Arc<CallContext<C>>,
    per_second: Option<Arc<CallContext<C>>>,
    lanes: HashMap<Lane, Queue, foldhash::fast::RandomState>,
    calls: JoinSet<()>,
    /// Fires no later than the first deadline of all checks. It is not reset for each check: it is set anew when it
    /// fires.
    timer: Pin<Box<Sleep>>,
    is_timed: bool,
    purged: Instant,
    mail: Mail,
    /// How many parts the queues hold, those of callers that have left among them.
    waiting: usize,
}

impl<C: Caller> Batcher<C> {
    pub(super) fn new(
        inbox: Arc<Inbox>,
        main: Arc<C>,
        per_second: Option<Arc<C>>,
        options: &StoreOptions,
        error_log: &Arc<ErrorLog>,
    ) -> Self {
        let max_jitter = options.max_jitter;
        let context = |caller, timeout| {
            let (stats, error_log) = (Arc::clone(&inbox.stats), Arc::clone(error_log));
            let slots = Arc::clone(&inbox.slots);
            let existing = Existing::default();
            Arc::new(CallContext { caller, max_jitter, timeout, slots, stats, error_log, existing })
        };
        let per_second = per_second.map(|caller| context(caller, options.per_second_timeout));
        let main = context(main, options.timeout);
        Self {
            inbox,
            main,
            per_second,
            lanes: HashMap::default(),
            calls: JoinSet::new(),
            timer: Box::pin(sleep_until(Instant::now())),
            is_timed: false,
            purged: Instant::now(),
            mail: Mail::default(),
            waiting: 0,
        }
    }

    /// Until the inbox is closed and all that came before is answered.
    pub(super) async fn run(mut self) {
        loop {
            let inbox = Arc::clone(&self.inbox);
            tokio::select! {
                () = inbox.wake.notified() => {}
                () = self.timer.as_mut(), if self.is_timed => self.purge(),
            }
            while self.calls.try_join_next().is_some() {}
            inbox.take(&mut self.mail);
            let closed = self.mail.closed;
            // lanes whose call has finished come first, so that a new arrival is not sent before those that waited
            let mut touched: SmallVec<[Lane; 4]> = self.mail.finished.drain(..).collect();
            for lane in &touched {
                if let Some(queue) = self.lanes.get_mut(lane) {
                    queue.in_flight = queue.in_flight.saturating_sub(1);
                }
            }
            for (lane, id) in self.mail.arrived.drain(..) {
                self.lanes.entry(lane).or_default().push(id);
                self.waiting += 1;
                if touched.last() != Some(&lane) {
                    touched.push(lane);
                }
            }
            for lane in touched {
                self.send(lane);
            }
            // at most `most` parts are still awaited: the rest is dropped, which bounds memory however callers come and
            // go
            if self.waiting > 2 * self.inbox.slots.most() {
                self.purge();
            }
            if closed && self.lanes.is_empty() {
                return;
            }
            self.set_timer();
        }
    }

    /// Sends what a lane has, as far as it may.
    fn send(&mut self, lane: Lane) {
        let Some(queue) = self.lanes.get_mut(&lane) else { return };
        let most = match lane.partition {
            Partition::Whole => IN_FLIGHT,
            Partition::Slot(_) | Partition::Key { .. } => IN_FLIGHT_OF_PARTITION,
        };
        let context = match (lane.side, &self.per_second) {
            (Side::PerSecond, Some(context)) => context,
            _ => &self.main,
        };
        while queue.in_flight < most {
            let before = queue.len();
            let batch = queue.take(Instant::now().into_std(), &context.slots);
            self.waiting -= before - queue.len();
            let Some(batch) = batch else { break };
            queue.in_flight += 1;
            let checks = batch.waiters.iter().flatten().copied().collect();
            let (context, guard) =
                (Arc::clone(context), InFlightGuard { inbox: Arc::clone(&self.inbox), lane, checks });
            self.calls.spawn(async move {
                let _guard = guard;
                send::send_batch(&context, lane.partition.slot(), batch).await;
            });
        }
        if queue.is_idle() {
            self.lanes.remove(&lane);
        }
    }

    /// Sets the timer so that no deadline is missed.
    fn set_timer(&mut self) {
        let Some(first) = self.inbox.slots.first_deadline().map(Instant::from_std) else { return };
        if !self.is_timed || first < self.timer.deadline() {
            self.timer.as_mut().reset(first.max(self.purged + BETWEEN_PURGES));
            self.is_timed = true;
        }
    }

    /// Fails the checks that have expired, and drops those whose callers have left.
    fn purge(&mut self) {
        let now = Instant::now();
        (self.is_timed, self.purged) = (false, now);
        let slots = &self.inbox.slots;
        slots.expire(now.into_std());
        self.lanes.values_mut().for_each(|queue| queue.purge(slots));
        self.lanes.retain(|_, queue| !queue.is_idle());
        self.waiting = self.lanes.values().map(Queue::len).sum();
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
