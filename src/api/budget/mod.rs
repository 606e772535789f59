//! The memory budget of incomplete requests, for each connection and for the process. When it is exhausted, the request
//! that has gone longest without progress is evicted.
//!
//! The buffers are owned by the budget and not by the calls, so that the memory of an evicted request is freed
//! immediately, however busy its own thread is. One lock guards them all. Nearly all requests arrive in one frame and
//! never take it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
};

/// The budget of the process, in requests of the largest size; it is at least [`MIN_PROCESS`] bytes.
const LARGEST_REQUESTS: usize = 16;
/// The least budget of the process, in bytes.
const MIN_PROCESS: usize = 64 << 20;
/// The budget of a connection is that of the process divided by this.
const CONNECTION_SHARE: usize = 4;
/// The cost of a request in addition to its buffer, in bytes: its stream, task and timer. It bounds the number of
/// requests that wait without having received a byte.
const OVERHEAD: usize = 1 << 10;

/// The request was evicted, or evicting all others would not make enough room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the memory for incomplete requests was needed for others; send requests in one piece, or in fewer and smaller \
     pieces, or raise MAX_REQUEST_BYTES, to which it is proportional"
)]
pub(super) struct Evicted;

/// The memory budget of incomplete requests. The process has one.
#[derive(Debug)]
pub struct Budget {
    process: usize,
    connection: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    /// The bytes that each connection uses, without connections that use none.
    by_connection: HashMap<u64, usize, foldhash::fast::RandomState>,
    /// By the sequence number of their last progress: the first one has gone longest without.
    slots: BTreeMap<u64, Slot>,
    /// `(connection, progress)` of every slot.
    order: BTreeSet<(u64, u64)>,
    progress: u64,
    connections: u64,
    /// The tasks of evicted slots, to be woken after the lock is released.
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
    /// A budget in which a request of `max_request` bytes always fits.
    #[must_use]
    pub fn new(max_request: usize) -> Arc<Self> {
        let connection = Self::of_connection(max_request);
        Arc::new(Self { process: connection * CONNECTION_SHARE, connection, state: Mutex::default() })
    }

    /// The budget of one connection, in bytes.
    #[must_use]
    pub fn of_connection(max_request: usize) -> usize {
        max_request.saturating_mul(LARGEST_REQUESTS).max(MIN_PROCESS) / CONNECTION_SHARE
    }

    /// Adds a connection and returns its share.
    #[must_use]
    pub fn connection(self: &Arc<Self>) -> Share {
        let mut state = self.lock();
        state.connections += 1;
        Share { budget: Arc::clone(self), connection: state.connections }
    }

    /// The state is consistent at every point that could panic, so a poisoned lock can be used.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state in a way that may evict requests, and wakes their tasks.
    fn claim<T>(&self, claim: impl FnOnce(&mut State) -> Result<T, Evicted>) -> Result<T, Evicted> {
        let mut state = self.lock();
        let claimed = claim(&mut state);
        let to_wake = std::mem::take(&mut state.to_wake);
        drop(state);
        to_wake.into_iter().for_each(Waker::wake);
        claimed
    }
}

impl State {
    /// Removes a slot, and its memory from the account.
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

    /// Inserts a slot as the one with the latest progress, and returns its new sequence number.
    fn insert(&mut self, slot: Slot) -> u64 {
        self.progress += 1;
        let cost = slot.cost();
        self.used += cost;
        *self.by_connection.entry(slot.connection).or_default() += cost;
        self.order.insert((slot.connection, self.progress));
        self.slots.insert(self.progress, slot);
        self.progress
    }

    /// Evicts requests until `cost` more bytes fit.
    fn make_room(&mut self, budget: &Budget, connection: u64, cost: usize) -> Result<(), Evicted> {
        let own = |state: &Self| state.by_connection.get(&connection).copied().unwrap_or(0);
        while own(self).saturating_add(cost) > budget.connection {
            let first =
                self.order.range((connection, 0)..=(connection, u64::MAX)).next().map(|(_, progress)| *progress);
            self.evict(first)?;
        }
        while self.used.saturating_add(cost) > budget.process {
            let first = self.slots.first_key_value().map(|(progress, _)| *progress);
            self.evict(first)?;
        }
        Ok(())
    }

    fn evict(&mut self, progress: Option<u64>) -> Result<(), Evicted> {
        let slot = progress.and_then(|progress| self.remove(progress)).ok_or(Evicted)?;
        self.to_wake.extend(slot.waker);
        Ok(())
    }
}

/// The budget of one connection.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    connection: u64,
}

impl Share {
    /// A request with an empty buffer.
    pub(super) fn open(&self) -> Result<Partial, Evicted> {
        let progress = self.budget.claim(|state| {
            state.make_room(&self.budget, self.connection, OVERHEAD)?;
            Ok(state.insert(Slot { connection: self.connection, buffer: Vec::new(), waker: None }))
        })?;
        Ok(Partial { budget: Arc::clone(&self.budget), progress })
    }
}

/// The buffer of an incomplete request. Its memory is freed when it is dropped or evicted.
#[derive(Debug)]
pub(super) struct Partial {
    budget: Arc<Budget>,
    progress: u64,
}

impl Partial {
    /// Appends bytes. The buffer at most doubles, and grows beyond `expected` bytes only if there are more.
    pub(super) fn append(&mut self, bytes: &[u8], expected: usize) -> Result<(), Evicted> {
        let budget = &*self.budget;
        self.progress = budget.claim(|state| {
            // removed while room is made, so that it is not evicted itself
            let mut slot = state.remove(self.progress).ok_or(Evicted)?;
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

    /// The bytes; their memory no longer counts towards the budget.
    pub(super) fn finish(self) -> Result<Vec<u8>, Evicted> {
        let slot = self.budget.lock().remove(self.progress);
        slot.map(|slot| slot.buffer).ok_or(Evicted)
    }

    /// An error if the request was evicted; else its task will be woken when it is.
    pub(super) fn check(&self, cx: &Context<'_>) -> Result<(), Evicted> {
        let mut state = self.budget.lock();
        let slot = state.slots.get_mut(&self.progress).ok_or(Evicted)?;
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
