//! The checks that wait for Redis: a slot each, in one table of the store.
//!
//! A caller holds a [`Ticket`], the batcher a [`SlotId`]. A ticket that is dropped frees its slot, and with it a group
//! that was not sent yet; the id that the batcher still has is then stale. The outcomes of a call are written under one
//! lock, and each distinct waker is woken once.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    task::{Context, Poll, Waker},
    time::Instant,
};

use smallvec::SmallVec;

use super::super::RedisStats;
use limiter::domain::{Group, StoreError, Verdict};

/// The outcome of a part of a request: a verdict for each of its hits.
pub(in super::super) type Outcome = Result<SmallVec<[Verdict; 1]>, StoreError>;

/// A waker is compared with this many before it: that many connections may alternate without being woken twice.
const REMEMBERED_WAKERS: usize = 16;

/// Which slot, and which of the checks that were in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SlotId {
    index: u32,
    generation: u32,
}

/// The slots of a store, up to a bound.
#[derive(Debug)]
pub(super) struct Slots {
    table: Mutex<Table>,
    most: usize,
    stats: Arc<RedisStats>,
}

#[derive(Debug, Default)]
struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// No waiting check has a deadline before this; `None`: none waits.
    first_deadline: Option<Instant>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    Free,
    /// Not sent yet.
    Queued {
        group: Arc<Group>,
        deadline: Instant,
        waker: Option<Waker>,
    },
    /// In a call, or about to be sent again. `late` is how it fails at its deadline.
    Sent {
        deadline: Instant,
        waker: Option<Waker>,
        late: StoreError,
    },
    Done(Outcome),
}

impl State {
    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Queued { deadline, .. } | Self::Sent { deadline, .. } => Some(*deadline),
            Self::Free | Self::Done(_) => None,
        }
    }
}

/// The state of a check that was queued.
#[derive(Debug)]
pub(super) enum Queued {
    /// It is to be sent, and counts as sent from now on.
    Ready(Arc<Group>),
    /// Its deadline has passed: it has failed.
    Expired,
    /// Its caller has left.
    Abandoned,
}

impl Slots {
    pub(super) fn new(most: usize, stats: Arc<RedisStats>) -> Arc<Self> {
        Arc::new(Self { table: Mutex::default(), most: most.min(u32::MAX as usize), stats })
    }

    pub(super) const fn most(&self) -> usize {
        self.most
    }

    /// A slot for a group that is to be sent; an error if all are taken.
    pub(super) fn queue(self: &Arc<Self>, group: Arc<Group>, deadline: Instant) -> Result<Ticket, StoreError> {
        let mut table = self.lock();
        let Table { slots, free, first_deadline } = &mut *table;
        let state = State::Queued { group, deadline, waker: None };
        let id = if let Some(index) = free.pop() {
            let slot = &mut slots[index as usize];
            slot.state = state;
            SlotId { index, generation: slot.generation }
        } else if slots.len() < self.most {
            slots.push(Slot { generation: 0, state });
            SlotId { index: slots.len() as u32 - 1, generation: 0 }
        } else {
            return Err(StoreError::Overloaded);
        };
        *first_deadline = Some(first_deadline.map_or(deadline, |first| first.min(deadline)));
        self.stats.pending.fetch_add(1, Relaxed);
        Ok(Ticket { slots: Arc::clone(self), id })
    }

    /// No waiting check has a deadline before this; `None`: none waits. It may be earlier than the first deadline,
    /// never later.
    pub(super) fn first_deadline(&self) -> Option<Instant> {
        self.lock().first_deadline
    }

    /// Fails the checks whose deadline has passed: those that were sent are unanswered.
    pub(super) fn expire(&self, now: Instant) {
        let mut session = self.session();
        let late: SmallVec<[(SlotId, StoreError); 8]> = session.table().late(now).collect();
        late.into_iter().for_each(|(id, error)| session.fail(id, error));
        let table = session.table();
        table.first_deadline = table.slots.iter().filter_map(|slot| slot.state.deadline()).min();
    }

    /// Fails every check that has no answer: there will be none.
    pub(super) fn close(&self) {
        let mut session = self.session();
        let ids: Vec<SlotId> = session.table().waiting().collect();
        ids.into_iter().for_each(|id| session.fail(id, StoreError::Closed));
    }

    /// The checks of one batch, under one lock.
    pub(super) fn session(&self) -> Session<'_> {
        Session { table: Some(self.lock()), stats: &self.stats, wakers: SmallVec::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn get(&mut self, id: SlotId) -> Option<&mut Slot> {
        self.slots.get_mut(id.index as usize).filter(|slot| slot.generation == id.generation)
    }

    fn waiting(&self) -> impl Iterator<Item = SlotId> + '_ {
        let waiting = (0..).zip(&self.slots).filter(|(_, slot)| slot.state.deadline().is_some());
        waiting.map(|(index, slot)| SlotId { index, generation: slot.generation })
    }

    /// The checks whose deadline has passed, and how they fail.
    fn late(&self, now: Instant) -> impl Iterator<Item = (SlotId, StoreError)> + '_ {
        (0..).zip(&self.slots).filter_map(move |(index, slot)| {
            let error = match slot.state {
                State::Queued { deadline, .. } if deadline <= now => StoreError::Expired,
                State::Sent { deadline, late, .. } if deadline <= now => late,
                _ => return None,
            };
            Some((SlotId { index, generation: slot.generation }, error))
        })
    }

    /// Frees the slot. Its former state is returned, to be dropped after the lock is released: dropping a waker may run
    /// any code.
    fn free(&mut self, id: SlotId) -> Option<State> {
        let slot = self.get(id)?;
        slot.generation = slot.generation.wrapping_add(1);
        let state = std::mem::replace(&mut slot.state, State::Free);
        self.free.push(id.index);
        Some(state)
    }
}

/// Works on many slots under one lock. Dropped, it wakes the callers whose checks have an outcome: after the lock is
/// released, and each distinct waker once.
#[derive(Debug)]
pub(super) struct Session<'s> {
    table: Option<MutexGuard<'s, Table>>,
    stats: &'s RedisStats,
    wakers: SmallVec<[Waker; 8]>,
}

impl Session<'_> {
    fn table(&mut self) -> &mut Table {
        self.table.as_mut().expect("it is given back by drop alone")
    }

    /// Takes the group of a check, to be sent.
    pub(super) fn take(&mut self, id: SlotId, now: Instant) -> Queued {
        let abandoned = &self.stats.abandoned;
        let Some(slot) = self.table.as_mut().expect("it is given back by drop alone").get(id) else {
            abandoned.fetch_add(1, Relaxed);
            return Queued::Abandoned;
        };
        match std::mem::replace(&mut slot.state, State::Free) {
            State::Queued { group, deadline, waker } => {
                slot.state = State::Sent { deadline, waker, late: StoreError::Unanswered };
                if deadline > now {
                    return Queued::Ready(group);
                }
                self.fail(id, StoreError::Expired);
                Queued::Expired
            }
            state => {
                slot.state = state;
                Queued::Expired
            }
        }
    }

    /// Whether the check waits to be sent. One whose caller has left is counted.
    pub(super) fn is_waiting(&mut self, id: SlotId) -> bool {
        match self.table().get(id) {
            None => {
                self.stats.abandoned.fetch_add(1, Relaxed);
                false
            }
            Some(slot) => matches!(slot.state, State::Queued { .. }),
        }
    }

    /// Whether the check is still awaited: not answered, and its caller has not left. One whose deadline has passed
    /// fails now.
    pub(super) fn is_awaited(&mut self, id: SlotId, now: Instant, late: StoreError) -> bool {
        let Some(slot) = self.table().get(id) else {
            self.stats.abandoned.fetch_add(1, Relaxed);
            return false;
        };
        match slot.state.deadline() {
            None => false,
            Some(deadline) if deadline > now => true,
            Some(_) => {
                self.fail(id, late);
                false
            }
        }
    }

    /// Sets how the check, which was sent, fails at its deadline.
    pub(super) fn set_late(&mut self, id: SlotId, error: StoreError) {
        if let Some(Slot { state: State::Sent { late, .. }, .. }) = self.table().get(id) {
            *late = error;
        }
    }

    /// The deadline of the check; `None` if it is no longer awaited.
    pub(super) fn deadline(&mut self, id: SlotId) -> Option<Instant> {
        self.table().get(id)?.state.deadline()
    }

    /// Answers a check that has no answer yet; returns whether it did.
    pub(super) fn answer(&mut self, id: SlotId, outcome: Outcome) -> bool {
        let Some(slot) = self.table().get(id) else { return false };
        if slot.state.deadline().is_none() {
            return false;
        }
        match std::mem::replace(&mut slot.state, State::Done(outcome)) {
            State::Queued { waker: Some(waker), .. } | State::Sent { waker: Some(waker), .. } => self.wake(waker),
            _ => {}
        }
        true
    }

    /// Wakes it at the end, unless it equals one of the last few.
    fn wake(&mut self, waker: Waker) {
        if !self.wakers.iter().rev().take(REMEMBERED_WAKERS).any(|known| known.will_wake(&waker)) {
            self.wakers.push(waker);
        }
    }

    /// Fails a check that has no answer yet.
    pub(super) fn fail(&mut self, id: SlotId, error: StoreError) {
        if self.answer(id, Err(error)) {
            self.stats.count_failed(error);
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.table = None;
        self.wakers.drain(..).for_each(Waker::wake);
    }
}

/// A future of the outcome of a check. Dropped, it frees the slot at once, and a group that was not sent yet is not
/// charged.
#[derive(Debug)]
pub(in super::super) struct Ticket {
    slots: Arc<Slots>,
    id: SlotId,
}

impl Ticket {
    pub(super) const fn id(&self) -> SlotId {
        self.id
    }
}

impl Future for Ticket {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut table = self.slots.lock();
        // freed by the ticket alone
        let slot = table.get(self.id).expect("a ticket's slot is its own until it is dropped");
        match &mut slot.state {
            State::Queued { waker, .. } | State::Sent { waker, .. } => {
                if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                    *waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
            State::Done(outcome) => Poll::Ready(std::mem::replace(outcome, Err(StoreError::Closed))),
            State::Free => Poll::Ready(Err(StoreError::Closed)),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let left = self.slots.lock().free(self.id);
        drop(left);
        self.slots.stats.pending.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering::SeqCst},
        task::Wake,
        time::Duration,
    };

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    fn slots(most: usize) -> Arc<Slots> {
        Slots::new(most, Arc::default())
    }

    fn queue(slots: &Arc<Slots>) -> Ticket {
        slots.queue(Arc::new(Group::new([])), Instant::now() + Duration::from_secs(60)).expect("a slot")
    }

    fn poll(ticket: &mut Ticket, woken: &Arc<Woken>) -> Poll<Outcome> {
        let waker = Arc::clone(woken).into();
        Pin::new(ticket).poll(&mut Context::from_waker(&waker))
    }

    #[test]
    fn a_call_wakes_each_waiting_caller_once_for_any_number_of_checks() {
        let slots = slots(100);
        let connections: [Arc<Woken>; 2] = Default::default();
        let mut tickets: Vec<_> = (0..64).map(|_| queue(&slots)).collect();
        for (ticket, at) in tickets.iter_mut().zip((0..2).cycle()) {
            assert!(poll(ticket, &connections[at]).is_pending());
        }
        let mut session = slots.session();
        tickets.iter().for_each(|ticket| assert!(session.answer(ticket.id(), Ok(SmallVec::new()))));
        drop(session);
        assert_eq!(connections.each_ref().map(|woken| woken.0.load(SeqCst)), [1, 1]);
        assert!(tickets.iter_mut().all(|ticket| poll(ticket, &connections[0]) == Poll::Ready(Ok(SmallVec::new()))));
    }

    #[test]
    fn a_caller_that_leaves_frees_its_slot_for_another_group() {
        let slots = slots(1);
        let group = Arc::new(Group::new([]));
        let late = Instant::now() + Duration::from_secs(60);
        let first = slots.queue(Arc::clone(&group), late).expect("a slot");
        let id = first.id();
        assert_eq!(slots.queue(Arc::clone(&group), late).expect_err("one alone"), StoreError::Overloaded);
        drop(first);
        assert_eq!(Arc::strong_count(&group), 1, "what was not sent is not kept");
        let second = slots.queue(Arc::clone(&group), late).expect("a slot");
        let mut session = slots.session();
        assert!(matches!(session.take(id, Instant::now()), Queued::Abandoned));
        assert!(!session.answer(id, Ok(SmallVec::new())), "the second is not answered for the first");
        assert!(matches!(session.take(second.id(), Instant::now()), Queued::Ready(_)));
        drop(session);
        assert_eq!((slots.stats.abandoned(), slots.stats.pending()), (1, 1));
    }

    #[test]
    fn a_check_is_answered_once() {
        let slots = slots(1);
        let (mut ticket, woken) = (queue(&slots), Arc::default());
        let mut session = slots.session();
        session.fail(ticket.id(), StoreError::Unanswered);
        assert!(!session.answer(ticket.id(), Ok(SmallVec::new())));
        drop(session);
        assert_eq!(poll(&mut ticket, &woken), Poll::Ready(Err(StoreError::Unanswered)));
    }

    #[test]
    fn what_waits_fails_when_the_batcher_ends() {
        let slots = slots(2);
        let (mut queued, mut sent, woken) = (queue(&slots), queue(&slots), Arc::default());
        assert!(poll(&mut sent, &woken).is_pending());
        assert!(matches!(slots.session().take(sent.id(), Instant::now()), Queued::Ready(_)));
        slots.close();
        assert_eq!(woken.0.load(SeqCst), 1);
        for ticket in [&mut queued, &mut sent] {
            assert_eq!(poll(ticket, &woken), Poll::Ready(Err(StoreError::Closed)));
        }
    }
}
