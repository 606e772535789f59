//! The memory of calls that services answer. It is bounded for the process and for each connection; when the process
//! has no more, the connection that uses most gives some of it up to one that uses less.
//!
//! So a peer that opens calls without end takes them from itself, and as long as it uses more than another one, that
//! one is served. Of a connection that gives up, its newest call ends, as if it had not been accepted.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Failure, pipe::Pipe};

/// A connection has this share of what the process has.
const CONNECTION_SHARE: usize = 8;

/// What a call costs beside the bytes that are kept for it: its task, and the buffers of its service. A stream to gRPC
/// reflection by tonic takes 17 KiB, and 34 with a message of 16 KiB that has not come whole; a stream that watches
/// gRPC health takes 7. So a little that is kept for it is in this.
pub(super) const COST: usize = 32 << 10;

/// See [`COST`].
pub(super) const A_LITTLE: usize = 4 << 10;

/// The memory of calls that services answer. One for the process.
#[derive(Debug)]
pub struct Pool {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    /// The highest number that a connection or a call has.
    last: u64,
    /// The connections that have calls.
    connections: HashMap<u64, Calls>,
    /// What each of them uses, and its number: the last one uses most.
    by_use: BTreeSet<(usize, u64)>,
    /// Calls that have given way, and are to be ended when the lock is free again.
    gave_way: Vec<Arc<Pipe>>,
    is_closed: bool,
}

/// The calls of one connection, by their age.
#[derive(Debug, Default)]
struct Calls {
    used: usize,
    calls: BTreeMap<u64, Slot>,
}

#[derive(Debug)]
struct Slot {
    cost: usize,
    pipe: Arc<Pipe>,
}

impl Pool {
    /// At most so many bytes, and an eighth of them for one connection.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, state: Mutex::default() })
    }

    /// The share of one more connection.
    #[must_use]
    pub fn connection(self: &Arc<Self>) -> Share {
        Share { pool: Arc::clone(self), connection: self.lock().number() }
    }

    /// Calls that are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.lock().connections.values().map(|of| of.calls.len()).sum()
    }

    /// Bytes in use.
    #[must_use]
    pub fn used(&self) -> usize {
        self.lock().used
    }

    /// What the connection uses that uses most.
    #[cfg(test)]
    pub(super) fn largest(&self) -> usize {
        self.lock().by_use.last().map_or(0, |(used, _)| *used)
    }

    /// Ends all calls, and those that are still opened at once, for the process ends.
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

    /// The state is whole after every statement that could panic, so a poisoned lock does no harm.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something that others may have to give way to, and ends those.
    fn claim<T>(&self, claim: impl FnOnce(&mut State) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut state = self.lock();
        let claimed = claim(&mut state);
        let gave_way = std::mem::take(&mut state.gave_way);
        drop(state);
        gave_way.into_iter().for_each(|pipe| pipe.fail(Failure::Crowded));
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

    fn insert(&mut self, connection: u64, call: u64, slot: Slot) {
        let of = self.connections.entry(connection).or_default();
        self.by_use.remove(&(of.used, connection));
        of.used += slot.cost;
        self.used += slot.cost;
        self.by_use.insert((of.used, connection));
        of.calls.insert(call, slot);
    }

    /// Takes a call out; its memory is no longer counted.
    fn remove(&mut self, connection: u64, call: u64) -> Option<Slot> {
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

    /// Frees memory until a connection can have so many bytes more.
    fn make_room(&mut self, most: usize, connection: u64, more: usize) -> Result<(), Failure> {
        let after = self.used_by(connection).saturating_add(more);
        if after > most / CONNECTION_SHARE {
            return Err(Failure::Crowded);
        }
        while self.used.saturating_add(more) > most {
            // one that would then use no more than this one keeps what it has
            let largest = self.by_use.last().filter(|(used, _)| *used > after).map(|(_, largest)| *largest);
            let largest = largest.ok_or(Failure::Crowded)?;
            let newest = self.connections.get(&largest).and_then(|of| of.calls.last_key_value());
            let newest = newest.map(|(call, _)| *call).ok_or(Failure::Crowded)?;
            let slot = self.remove(largest, newest);
            self.gave_way.extend(slot.map(|slot| slot.pipe));
        }
        Ok(())
    }
}

/// What one connection may use.
#[derive(Debug)]
pub struct Share {
    pool: Arc<Pool>,
    connection: u64,
}

impl Share {
    /// A call that nothing is kept for yet.
    pub(super) fn open(&self, pipe: &Arc<Pipe>) -> Result<Place, Failure> {
        let Self { pool, connection } = self;
        let call = pool.claim(|state| {
            if state.is_closed {
                return Err(Failure::Closed);
            }
            state.make_room(pool.most, *connection, COST)?;
            let call = state.number();
            state.insert(*connection, call, Slot { cost: COST, pipe: Arc::clone(pipe) });
            Ok(call)
        })?;
        Ok(Place { pool: Arc::clone(pool), connection: *connection, call, kept: 0 })
    }
}

/// The memory of one call, which is free when this is dropped, or when it gives way.
#[derive(Debug)]
pub(super) struct Place {
    pool: Arc<Pool>,
    connection: u64,
    call: u64,
    /// Bytes beyond a little.
    kept: usize,
}

impl Place {
    /// Notes how many bytes are kept for the call now.
    pub(super) fn keep(&mut self, bytes: usize) -> Result<(), Failure> {
        let bytes = bytes.saturating_sub(A_LITTLE);
        if bytes == self.kept {
            return Ok(());
        }
        let (connection, call, most) = (self.connection, self.call, self.pool.most);
        self.pool.claim(|state| {
            // out of the order while room is made, so that it does not give way to itself; one that is not there has
            // ended already
            let Some(slot) = state.remove(connection, call) else { return Ok(()) };
            let cost = COST.saturating_add(bytes);
            state.make_room(most, connection, cost)?;
            state.insert(connection, call, Slot { cost, ..slot });
            Ok(())
        })?;
        self.kept = bytes;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let slot = self.pool.lock().remove(self.connection, self.call);
        // not under the lock: it may be the last to hold the pipe
        drop(slot);
    }
}
