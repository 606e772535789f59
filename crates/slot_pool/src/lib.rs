//! A pool of connection slots. When it is full and a new peer arrives, the longest-idle peer is evicted, so that silent
//! peers, however many, cannot keep out active ones.
//!
//! It has no task and no clock: the holder of a slot awaits [`SlotPool::evicted`] for as long as it may be evicted.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A fixed number of slots.
pub struct SlotPool {
    free: Arc<Semaphore>,
    /// The number of callers of [`SlotPool::acquire`] that wait.
    waiting: Mutex<usize>,
    /// A permit for each eviction that is due: one for each waiting caller, less the holders already evicted for them.
    evictions: Semaphore,
}

/// A slot that is in use. Dropping it frees it.
#[derive(Debug)]
pub struct Slot(#[expect(dead_code, reason = "it is held, not used")] OwnedSemaphorePermit);

impl fmt::Debug for SlotPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotPool").field("free", &self.free.available_permits()).finish_non_exhaustive()
    }
}

impl SlotPool {
    /// A pool of `count` free slots.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS))),
            waiting: Mutex::new(0),
            evictions: Semaphore::new(0),
        }
    }

    /// Takes a slot without waiting; `None` if none is free. Evicts no holder.
    #[must_use]
    pub fn try_acquire(&self) -> Option<Slot> {
        Arc::clone(&self.free).try_acquire_owned().ok().map(Slot)
    }

    /// Takes a slot. If none is free, evicts the longest-idle holder and waits for the next slot that becomes free;
    /// callers are served in the order of their arrival.
    pub async fn acquire(&self) -> Slot {
        if let Some(slot) = self.try_acquire() {
            return slot;
        }
        let _waiting = Waiting::new(self);
        Slot(Arc::clone(&self.free).acquire_owned().await.expect("never closed"))
    }

    /// Resolves when the holder that awaits it is evicted. Of several holders, the one that has awaited it longest is
    /// evicted first.
    pub async fn evicted(&self) {
        loop {
            self.evictions.acquire().await.expect("never closed").forget();
            // the waiting caller may have got another slot, or given up, before this future was polled
            if self.waiting() > 0 {
                return;
            }
        }
    }

    fn waiting(&self) -> usize {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the number of waiting callers, and keeps the number of due evictions at or below it.
    fn set_waiting(&self, change: impl FnOnce(&mut usize)) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *waiting;
        change(&mut waiting);
        if *waiting > before {
            self.evictions.add_permits(*waiting - before);
        }
        self.evictions.forget_permits(self.evictions.available_permits().saturating_sub(*waiting));
    }
}

/// Counts a caller as waiting until it has a slot or gives up.
struct Waiting<'a>(&'a SlotPool);

impl<'a> Waiting<'a> {
    fn new(pool: &'a SlotPool) -> Self {
        pool.set_waiting(|waiting| *waiting += 1);
        Self(pool)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set_waiting(|waiting| *waiting -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::{Pin, pin},
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn acquired(pool: &SlotPool) -> Slot {
        match poll(pin!(pool.acquire())) {
            Poll::Ready(slot) => slot,
            Poll::Pending => unreachable!("none is free"),
        }
    }

    #[test]
    fn no_holder_is_evicted_while_slots_are_free() {
        let pool = SlotPool::new(2);
        let mut silent = pin!(pool.evicted());
        let _first = acquired(&pool);
        let second = acquired(&pool);
        assert!(poll(silent.as_mut()).is_pending() && pool.try_acquire().is_none());
        drop(second);
        assert!(pool.try_acquire().is_some());
    }

    /// The evicted holder is polled only after the waiting caller has got another slot.
    #[test]
    fn a_holder_is_not_evicted_if_the_waiting_caller_got_another_slot() {
        let pool = SlotPool::new(2);
        let (speaks, _silent) = (acquired(&pool), acquired(&pool));
        let mut evicted = pin!(pool.evicted());
        assert!(poll(evicted.as_mut()).is_pending());
        {
            let mut waits = pin!(pool.acquire());
            assert!(poll(waits.as_mut()).is_pending());
            drop(speaks);
            assert!(poll(waits.as_mut()).is_ready());
        }
        assert!(poll(evicted.as_mut()).is_pending(), "no caller waits any more");
    }

    #[test]
    fn the_longest_idle_are_evicted_and_no_more_than_needed() {
        let pool = SlotPool::new(3);
        let mut held: Vec<_> = (0..3).map(|_| Some(acquired(&pool))).collect();
        let (mut first, mut second, mut third) = (pin!(pool.evicted()), pin!(pool.evicted()), pin!(pool.evicted()));
        for silent in [&mut first, &mut second, &mut third] {
            assert!(poll(silent.as_mut()).is_pending());
        }
        let (mut one, mut two) = (pin!(pool.acquire()), pin!(pool.acquire()));
        assert!(poll(one.as_mut()).is_pending() && poll(two.as_mut()).is_pending());
        assert!(poll(third.as_mut()).is_pending());
        assert!(poll(first.as_mut()).is_ready() && poll(second.as_mut()).is_ready());
        held[0] = None;
        let slot = poll(one.as_mut());
        assert!(slot.is_ready() && poll(two.as_mut()).is_pending());
        held[1] = None;
        assert!(poll(two.as_mut()).is_ready());
    }

    #[test]
    fn a_caller_that_gives_up_evicts_no_holder() {
        let pool = SlotPool::new(1);
        let _held = acquired(&pool);
        {
            let mut gives_up = pin!(pool.acquire());
            assert!(poll(gives_up.as_mut()).is_pending());
        }
        assert!(poll(pin!(pool.evicted())).is_pending());
    }

    #[test]
    fn a_slot_that_is_freed_without_an_eviction_spares_one() {
        let pool = SlotPool::new(2);
        let (first, _second) = (acquired(&pool), acquired(&pool));
        let (mut one, mut two) = (pin!(pool.acquire()), pin!(pool.acquire()));
        assert!(poll(one.as_mut()).is_pending() && poll(two.as_mut()).is_pending());
        drop(first);
        let slot = poll(one.as_mut());
        assert!(slot.is_ready() && poll(two.as_mut()).is_pending());
        // one caller still waits, so one holder is evicted and no second one
        assert!(poll(pin!(pool.evicted())).is_ready());
        assert!(poll(pin!(pool.evicted())).is_pending());
    }
}
