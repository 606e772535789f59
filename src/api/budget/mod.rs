//! The memory that requests may hold while parts of them are still to come. It is bounded for each connection and for
//! the process; when a bound is met, the request gives way that has gone longest without progress.
//!
//! The buffers are kept here and not by the calls, so that the memory of a request that gives way is free at once,
//! however busy its own thread is. One lock guards them all: a request that lies whole in one frame, as nearly all do,
//! never takes it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
};

/// The process may hold so many requests of the largest size, and at least [`LEAST_PROCESS`] bytes.
const LARGEST_REQUESTS: usize = 16;
/// See [`LARGEST_REQUESTS`].
const LEAST_PROCESS: usize = 64 << 20;
/// A connection has this share of what the process has.
const CONNECTION_SHARE: usize = 4;
/// What a request counts beside its buffer: its stream, task and timer. It bounds how many may wait without a byte.
const OVERHEAD: usize = 1 << 10;

/// The request gave way to others, or no other could for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the memory for requests that have not come whole was needed for others; send requests whole, in fewer and smaller \
     pieces, or raise MAX_REQUEST_BYTES, to which it is proportional"
)]
pub(super) struct GaveWay;

/// The memory for requests that have not come whole. One for the process.
#[derive(Debug)]
pub struct Budget {
    process: usize,
    connection: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    /// What each connection uses; only those that use some.
    by_connection: HashMap<u64, usize, foldhash::fast::RandomState>,
    /// By the number of their last progress: the first has gone longest without.
    slots: BTreeMap<u64, Slot>,
    /// `(connection, progress)` of every slot.
    order: BTreeSet<(u64, u64)>,
    progress: u64,
    connections: u64,
    /// The tasks of slots that gave way: woken when the lock is free again.
    to_wake: Vec<Waker>,
}

#[derive(Debug)]
struct Slot {
    connection: u64,
    buffer: Vec<u8>,
    waker: Option<Waker>,
}

impl Slot {
    fn cost(&self) -> usize {
        self.buffer.capacity() + OVERHEAD
    }
}

impl Budget {
    /// A budget under which a request of `max_request` bytes always fits.
    #[must_use]
    pub fn new(max_request: usize) -> Arc<Self> {
        let connection = Self::of_connection(max_request);
        Arc::new(Self { process: connection * CONNECTION_SHARE, connection, state: Mutex::default() })
    }

    /// What one connection may hold.
    #[must_use]
    pub fn of_connection(max_request: usize) -> usize {
        max_request.saturating_mul(LARGEST_REQUESTS).max(LEAST_PROCESS) / CONNECTION_SHARE
    }

    /// The share of one more connection.
    #[must_use]
    pub fn connection(self: &Arc<Self>) -> Share {
        let mut state = self.lock();
        state.connections += 1;
        Share { budget: Arc::clone(self), connection: state.connections }
    }

    /// The state is whole after every statement that could panic, so a poisoned lock does no harm.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something that others may have to give way to, and wakes those.
    fn claim<T>(&self, claim: impl FnOnce(&mut State) -> Result<T, GaveWay>) -> Result<T, GaveWay> {
        let mut state = self.lock();
        let claimed = claim(&mut state);
        let to_wake = std::mem::take(&mut state.to_wake);
        drop(state);
        to_wake.into_iter().for_each(Waker::wake);
        claimed
    }
}

impl State {
    /// Takes a slot out; its memory is no longer counted.
    fn remove(&mut self, progress: u64) -> Option<Slot> {
        let slot = self.slots.remove(&progress)?;
        self.order.remove(&(slot.connection, progress));
        let cost = slot.cost();
        self.used -= cost;
        if let Some(used) = self.by_connection.get_mut(&slot.connection) {
            *used -= cost;
            if *used == 0 {
                self.by_connection.remove(&slot.connection);
            }
        }
        Some(slot)
    }

    /// Puts a slot in as the one that made progress last.
    fn insert(&mut self, slot: Slot) -> u64 {
        self.progress += 1;
        let cost = slot.cost();
        self.used += cost;
        *self.by_connection.entry(slot.connection).or_default() += cost;
        self.order.insert((slot.connection, self.progress));
        self.slots.insert(self.progress, slot);
        self.progress
    }

    /// Frees memory until `cost` more fits.
    fn make_room(&mut self, budget: &Budget, connection: u64, cost: usize) -> Result<(), GaveWay> {
        let own = |state: &Self| state.by_connection.get(&connection).copied().unwrap_or(0);
        while own(self).saturating_add(cost) > budget.connection {
            let first =
                self.order.range((connection, 0)..=(connection, u64::MAX)).next().map(|(_, progress)| *progress);
            self.give_way(first)?;
        }
        while self.used.saturating_add(cost) > budget.process {
            let first = self.slots.first_key_value().map(|(progress, _)| *progress);
            self.give_way(first)?;
        }
        Ok(())
    }

    fn give_way(&mut self, progress: Option<u64>) -> Result<(), GaveWay> {
        let slot = progress.and_then(|progress| self.remove(progress)).ok_or(GaveWay)?;
        self.to_wake.extend(slot.waker);
        Ok(())
    }
}

/// What one connection may hold.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    connection: u64,
}

impl Share {
    /// A request of which nothing has been kept yet.
    pub(super) fn open(&self) -> Result<Partial, GaveWay> {
        let progress = self.budget.claim(|state| {
            state.make_room(&self.budget, self.connection, OVERHEAD)?;
            Ok(state.insert(Slot { connection: self.connection, buffer: Vec::new(), waker: None }))
        })?;
        Ok(Partial { budget: Arc::clone(&self.budget), progress })
    }
}

/// A request of which parts are still to come. Its memory is free when it is dropped, or when it gives way.
#[derive(Debug)]
pub(super) struct Partial {
    budget: Arc<Budget>,
    progress: u64,
}

impl Partial {
    /// Keeps what came. The buffer at most doubles, and never grows beyond `expected` bytes unless more has come.
    pub(super) fn append(&mut self, bytes: &[u8], expected: usize) -> Result<(), GaveWay> {
        let budget = &*self.budget;
        self.progress = budget.claim(|state| {
            // out of the order while room is made, so that it does not give way to itself
            let mut slot = state.remove(self.progress).ok_or(GaveWay)?;
            let needed = slot.buffer.len() + bytes.len();
            if needed > slot.buffer.capacity() {
                let capacity = slot.buffer.capacity().saturating_mul(2).min(expected).max(needed);
                state.make_room(budget, slot.connection, capacity + OVERHEAD)?;
                slot.buffer.reserve_exact(capacity - slot.buffer.len());
            }
            slot.buffer.extend_from_slice(bytes);
            Ok(state.insert(slot))
        })?;
        Ok(())
    }

    /// The bytes that came; their memory is no longer counted.
    pub(super) fn finish(self) -> Result<Vec<u8>, GaveWay> {
        let slot = self.budget.lock().remove(self.progress);
        slot.map(|slot| slot.buffer).ok_or(GaveWay)
    }

    /// Whether it still has its memory. If so, its task is woken when it gives way.
    pub(super) fn check(&self, cx: &Context<'_>) -> Result<(), GaveWay> {
        let mut state = self.budget.lock();
        let slot = state.slots.get_mut(&self.progress).ok_or(GaveWay)?;
        match &mut slot.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => slot.waker = Some(cx.waker().clone()),
        }
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        self.budget.lock().remove(self.progress);
    }
}

#[cfg(test)]
mod tests;
