//! The slots of a listener's connections: how many may be open, and which one is evicted when a further one arrives.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::timeout;

use slot_pool::{Slot, SlotPool};

/// How long an evicted connection may take to free its slot: its worker may be busy with calls.
const EVICTION: Duration = Duration::from_millis(100);

/// Which connections can be evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Eviction {
    /// Connections whose peers have not sent anything yet. If there are none, the next connection is rejected.
    Silent,
    /// Idle connections. Each connection is idle sooner or later: the next connection waits for that.
    Idle,
}

/// The slots of one listener.
#[derive(Debug)]
pub(in crate::server) struct ConnectionSlots {
    pool: SlotPool,
    eviction: Eviction,
    /// The number of connections whose peers have not sent anything yet. A connection is counted when it is accepted,
    /// because its worker may begin to wait for an eviction only later.
    silent: AtomicUsize,
}

impl ConnectionSlots {
    pub(in crate::server) fn new(count: usize, eviction: Eviction) -> Arc<Self> {
        Arc::new(Self { pool: SlotPool::new(count), eviction, silent: AtomicUsize::new(0) })
    }

    /// A free slot; `None` if there is none.
    pub(super) fn try_acquire(self: &Arc<Self>) -> Option<ConnectionSlot> {
        self.pool.try_acquire().map(|slot| ConnectionSlot::new(self, slot))
    }

    /// A free slot, or the slot of a connection that is evicted for it; `None` if no connection can be evicted.
    pub(super) async fn acquire(self: &Arc<Self>) -> Option<ConnectionSlot> {
        if let Some(slot) = self.try_acquire() {
            return Some(slot);
        }
        let slot = match self.eviction {
            Eviction::Silent if self.silent.load(Relaxed) == 0 => return None,
            Eviction::Silent => timeout(EVICTION, self.pool.acquire()).await.ok()?,
            Eviction::Idle => self.pool.acquire().await,
        };
        Some(ConnectionSlot::new(self, slot))
    }
}

/// The slot of one connection, which is free again when this is dropped.
#[derive(Debug)]
pub(in crate::server) struct ConnectionSlot {
    slots: Arc<ConnectionSlots>,
    is_silent: bool,
    _slot: Slot,
}

impl ConnectionSlot {
    fn new(slots: &Arc<ConnectionSlots>, slot: Slot) -> Self {
        slots.silent.fetch_add(1, Relaxed);
        Self { slots: Arc::clone(slots), is_silent: true, _slot: slot }
    }

    /// Records that the peer has sent something, or that it is not waited for any more.
    pub(super) fn end_silence(&mut self) {
        if std::mem::take(&mut self.is_silent) {
            self.slots.silent.fetch_sub(1, Relaxed);
        }
    }

    /// Resolves when the connection is evicted. A connection can be evicted only while this is awaited.
    pub(in crate::server) async fn evicted(&self) {
        match self.slots.eviction {
            Eviction::Silent if !self.is_silent => pending().await,
            Eviction::Silent | Eviction::Idle => self.slots.pool.evicted().await,
        }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.end_silence();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn is_ready<F: Future>(future: F) -> bool {
        pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_peer_that_has_sent_nothing_is_evicted() {
        let slots = ConnectionSlots::new(1, Eviction::Silent);
        let mut held = slots.acquire().await.expect("a free slot");
        {
            let mut next = pin!(slots.acquire());
            let waits = next.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(waits, Poll::Pending) && is_ready(held.evicted()));
            assert!(next.await.is_none(), "its slot was not freed in time");
        }
        held.end_silence();
        assert!(slots.acquire().await.is_none() && !is_ready(held.evicted()));
        drop(held);
        assert!(slots.acquire().await.is_some());
    }

    #[test]
    fn an_idle_peer_is_evicted_even_if_it_has_sent_something() {
        let slots = ConnectionSlots::new(1, Eviction::Idle);
        let mut held = slots.try_acquire().expect("a free slot");
        held.end_silence();
        let mut next = pin!(slots.acquire());
        assert!(next.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(is_ready(held.evicted()));
        drop(held);
        assert!(is_ready(next));
    }
}
