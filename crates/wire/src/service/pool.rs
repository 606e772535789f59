//! The memory of calls that services answer. It is limited for the process and for each connection. When the process's
//! limit is reached, the newest calls of the connection that uses most are evicted for one that uses less.
//!
//! So a peer that opens calls endlessly takes memory from itself only, and a connection that uses less than another one
//! is always served. The evicted call ends as if it had not been accepted.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Failure, pipe::Pipe};

/// A connection may use this fraction of the process's limit.
const CONNECTION_SHARE: usize = 8;

/// The cost of a call in addition to the bytes that are kept for it: its task, and the buffers of its service. A stream
/// to gRPC reflection by tonic takes 17 KiB, and 34 KiB with an incomplete message of 16 KiB; a stream that watches
/// gRPC health takes 7 KiB. So it includes a few kept bytes.
pub(super) const COST: usize = 32 << 10;

/// How many kept bytes [`COST`] includes.
pub(super) const INCLUDED: usize = 4 << 10;

/// The memory of calls that services answer; the process has one.
#[derive(Debug)]
pub struct Pool {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    /// The highest number that was given to a connection or a call.
    last: u64,
    /// The connections with open calls.
    connections: HashMap<u64, Calls>,
    /// The connections by memory used and number; the last one uses most.
    by_use: BTreeSet<(usize, u64)>,
    /// Evicted calls, to be ended after the lock is released.
    evicted: Vec<Arc<Pipe>>,
    is_closed: bool,
}

/// The calls of one connection, by age.
#[derive(Debug, Default)]
struct Calls {
    used: usize,
    calls: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    cost: usize,
    pipe: Arc<Pipe>,
}

impl Pool {
    /// A pool of at most this many bytes; one connection may use an eighth of them.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, state: Mutex::default() })
    }

    /// The share of a new connection.
    #[must_use]
    pub fn connection(self: &Arc<Self>) -> Share {
        Share { pool: Arc::clone(self), connection: self.lock().number() }
    }

    /// The number of open calls.
    #[must_use]
    pub fn open(&self) -> usize {
        self.lock().connections.values().map(|of| of.calls.len()).sum()
    }

    /// The number of bytes in use.
    #[must_use]
    pub fn used(&self) -> usize {
        self.lock().used
    }

    /// The number of bytes used by the connection that uses most.
    #[cfg(test)]
    pub(super) fn largest(&self) -> usize {
        self.lock().by_use.last().map_or(0, |(used, _)| *used)
    }

    /// Ends all calls, and rejects later ones, because the process is shutting down.
    pub fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.used = 0;
        state.by_use.clear();
        let calls = std::mem::take(&mut state.connections);
        drop(state);
        for slot in calls.into_values().flat_map(|of| of.calls.into_values()) {
            slot.pipe.fail(Failure::Closed);
        }
    }

    /// The state is consistent at every point that could panic, so a poisoned lock does no harm.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `claim`, and then ends the calls that it has evicted.
    fn claim<T>(&self, claim: impl FnOnce(&mut State) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut state = self.lock();
        let claimed = claim(&mut state);
        let evicted = std::mem::take(&mut state.evicted);
        drop(state);
        evicted.into_iter().for_each(|pipe| pipe.fail(Failure::Crowded));
        claimed
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn used_by(&self, connection: u64) -> usize {
        self.connections.get(&connection).map_or(0, |of| of.used)
    }

    fn insert(&mut self, connection: u64, call: u64, slot: Entry) {
        let of = self.connections.entry(connection).or_default();
        self.by_use.remove(&(of.used, connection));
        of.used += slot.cost;
        self.used += slot.cost;
        self.by_use.insert((of.used, connection));
        of.calls.insert(call, slot);
    }

    /// Removes a call; its memory no longer counts.
    fn remove(&mut self, connection: u64, call: u64) -> Option<Entry> {
        let of = self.connections.get_mut(&connection)?;
        let slot = of.calls.remove(&call)?;
        self.by_use.remove(&(of.used, connection));
        of.used -= slot.cost;
        self.used -= slot.cost;
        if of.calls.is_empty() {
            self.connections.remove(&connection);
        } else {
            self.by_use.insert((of.used, connection));
        }
        Some(slot)
    }

    /// Evicts calls until a connection can use this many more bytes.
    fn make_room(&mut self, most: usize, connection: u64, more: usize) -> Result<(), Failure> {
        let after = self.used_by(connection).saturating_add(more);
        if after > most / CONNECTION_SHARE {
            return Err(Failure::Crowded);
        }
        while self.used.saturating_add(more) > most {
            // a connection that would then use no more than this one keeps what it has
            let largest = self.by_use.last().filter(|(used, _)| *used > after).map(|(_, largest)| *largest);
            let largest = largest.ok_or(Failure::Crowded)?;
            let newest = self.connections.get(&largest).and_then(|of| of.calls.last_key_value());
            let newest = newest.map(|(call, _)| *call).ok_or(Failure::Crowded)?;
            let slot = self.remove(largest, newest);
            self.evicted.extend(slot.map(|slot| slot.pipe));
        }
        Ok(())
    }
}

/// The share of one connection in a pool.
#[derive(Debug)]
pub struct Share {
    pool: Arc<Pool>,
    connection: u64,
}

impl Share {
    /// Reserves a slot for a call for which nothing is kept yet.
    pub(super) fn open(&self, pipe: &Arc<Pipe>) -> Result<CallSlot, Failure> {
        let Self { pool, connection } = self;
        let call = pool.claim(|state| {
            if state.is_closed {
                return Err(Failure::Closed);
            }
            state.make_room(pool.most, *connection, COST)?;
            let call = state.number();
            state.insert(*connection, call, Entry { cost: COST, pipe: Arc::clone(pipe) });
            Ok(call)
        })?;
        Ok(CallSlot { pool: Arc::clone(pool), connection: *connection, call, kept: 0 })
    }
}

/// The slot of one call, which is released when this is dropped or the call is evicted.
#[derive(Debug)]
pub(super) struct CallSlot {
    pool: Arc<Pool>,
    connection: u64,
    call: u64,
    /// Kept bytes beyond those that [`COST`] includes.
    kept: usize,
}

impl CallSlot {
    /// Sets how many bytes are kept for the call now.
    pub(super) fn keep(&mut self, bytes: usize) -> Result<(), Failure> {
        let bytes = bytes.saturating_sub(INCLUDED);
        if bytes == self.kept {
            return Ok(());
        }
        let (connection, call, most) = (self.connection, self.call, self.pool.most);
        self.pool.claim(|state| {
            // out of the pool while room is made, so that the call does not evict itself; if it is missing, it was
            // evicted before
            let Some(slot) = state.remove(connection, call) else { return Ok(()) };
            let cost = COST.saturating_add(bytes);
            state.make_room(most, connection, cost)?;
            state.insert(connection, call, Entry { cost, ..slot });
            Ok(())
        })?;
        self.kept = bytes;
        Ok(())
    }
}

impl Drop for CallSlot {
    fn drop(&mut self) {
        let slot = self.pool.lock().remove(self.connection, self.call);
        // not under the lock: this may drop the last reference to the pipe
        drop(slot);
    }
}
