//! One connection's share of the load: what is due, and what became of it. Does no input or output, and is told the time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use bytes::Bytes;
use fastrand::Rng;

use super::{
    super::{
        plan::{Pace, Plan, Until},
        request::{Outcome, Reply, Requests, Trouble},
    },
    schedule::Schedule,
    tally::Tally,
};

/// What all lanes of a run have in common.
#[derive(Debug)]
pub(in super::super) struct Shared {
    pub(in super::super) plan: Plan,
    pub(in super::super) requests: Requests,
    pub(in super::super) authority: String,
    /// Requests that a closed loop may still make, if their number is given.
    pub(super) left: AtomicU64,
    /// No more requests are to be made.
    pub(super) stop: AtomicBool,
    /// Answers and failures so far, for who watches.
    pub(super) answered: AtomicU64,
    pub(super) failed: AtomicU64,
}

impl Shared {
    pub(in super::super) fn new(plan: Plan, requests: Requests, authority: String) -> Self {
        let left = match (plan.pace, plan.until) {
            (Pace::Answers, Until::Sent(count)) => count.get(),
            _ => u64::MAX,
        };
        Self {
            plan,
            requests,
            authority,
            left: AtomicU64::new(left),
            stop: AtomicBool::new(false),
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }
}

/// When a run starts, when it is measured, and when it ends if that is a matter of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Window {
    pub(in super::super) start: Instant,
    pub(in super::super) measured: Instant,
    pub(in super::super) end: Option<Instant>,
}

impl Window {
    /// Of a run that starts then.
    pub(in super::super) fn new(plan: &Plan, start: Instant) -> Self {
        let measured = start + plan.warm_up;
        let end = match plan.until {
            Until::Elapsed(time) => Some(measured + time),
            Until::Sent(_) => None,
        };
        Self { start, measured, end }
    }

    fn has_ended(&self, now: Instant) -> bool {
        self.end.is_some_and(|end| now >= end)
    }

    fn holds(&self, now: Instant) -> bool {
        now >= self.measured && !self.has_ended(now)
    }
}

/// What a request is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    /// When it was due: in a closed loop, when it was made.
    due: Instant,
    measured: bool,
}

/// Calls that are made on a connection, as many at a time as it allows.
pub(super) trait Calls {
    /// Calls that have not ended.
    fn under_way(&self) -> usize;
    /// Whether another can be made now.
    fn has_room(&mut self) -> bool;
    /// Makes a call, which is given up at the `deadline`. False if the connection takes no more.
    fn call(&mut self, ticket: Ticket, message: Bytes, deadline: Instant) -> bool;
}

/// One connection's share.
#[derive(Debug)]
pub(super) struct Lane {
    shared: Arc<Shared>,
    window: Window,
    source: Source,
    random: Rng,
    /// Until then, what was due had to wait for a stream or a connection.
    held_up: Instant,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    Closed,
    /// With when the next request is due, if there is one.
    Open(Schedule, Option<Instant>),
}

impl Lane {
    /// The share of the `nth` connection.
    pub(super) fn new(shared: &Arc<Shared>, window: Window, nth: usize) -> Self {
        let plan = &shared.plan;
        let source = match plan.pace {
            Pace::Answers => Source::Closed,
            Pace::Rate(rate) => {
                let count = match plan.until {
                    Until::Elapsed(time) => Schedule::count_in(rate, plan.warm_up + time),
                    Until::Sent(count) => Schedule::count_in(rate, plan.warm_up).saturating_add(count.get()),
                };
                let schedule = Schedule::new(rate, nth, plan.connections.get(), count);
                Source::Open(schedule, schedule.due().map(|due| window.start + due))
            }
        };
        let random = Rng::with_seed(plan.seed.wrapping_add(nth as u64));
        Self { shared: Arc::clone(shared), window, source, random, held_up: window.start }
    }

    /// Makes the requests that can be made now. In an open loop, those that are due.
    pub(super) fn send(&mut self, calls: &mut impl Calls, now: Instant, tally: &mut Tally) {
        if !self.has_room(calls) {
            self.held_up = now;
        }
        self.expire(now, tally);
        loop {
            let due = match self.source {
                Source::Closed => Some(now),
                Source::Open(_, due) => due,
            };
            let Some(due) = due.filter(|due| *due <= now) else { return };
            if !self.has_room(calls) {
                self.held_up = now;
                return;
            }
            let ticket = Ticket { due, measured: due >= self.window.measured };
            if !self.take(now, ticket) {
                return;
            }
            let message = self.shared.requests.next(&mut self.random);
            if !calls.call(ticket, message, due + self.shared.plan.timeout) {
                self.give_back(ticket);
                self.held_up = now;
                return;
            }
            if let Source::Open(..) = self.source {
                if ticket.measured && due > self.held_up {
                    tally.late(now - due);
                }
                self.advance();
            }
            *(if ticket.measured { &mut tally.made } else { &mut tally.warm_up }) += 1;
        }
    }

    fn has_room(&self, calls: &mut impl Calls) -> bool {
        calls.under_way() < self.shared.plan.streams.get() && calls.has_room()
    }

    /// Whether one more request may be made.
    fn take(&self, now: Instant, ticket: Ticket) -> bool {
        if self.shared.stop.load(Relaxed) {
            return false;
        }
        match self.source {
            Source::Open(..) => true,
            Source::Closed if self.window.has_ended(now) => false,
            Source::Closed => {
                let less_one = |left: u64| left.checked_sub(1);
                !self.is_numbered(ticket) || self.shared.left.fetch_update(Relaxed, Relaxed, less_one).is_ok()
            }
        }
    }

    /// It was taken and could not be made: another lane may.
    fn give_back(&self, ticket: Ticket) {
        if let Source::Closed = self.source
            && self.is_numbered(ticket)
        {
            self.shared.left.fetch_add(1, Relaxed);
        }
    }

    /// Whether it is one of a number that is to be made.
    const fn is_numbered(&self, ticket: Ticket) -> bool {
        ticket.measured && self.window.end.is_none()
    }

    fn advance(&mut self) {
        if let Source::Open(schedule, due) = &mut self.source {
            schedule.advance();
            *due = schedule.due().map(|due| self.window.start + due);
        }
    }

    /// Fails the requests that have been due for too long. After a stop none is made any more: those that had to wait until
    /// then have failed, the others are nobody's.
    fn expire(&mut self, now: Instant, tally: &mut Tally) {
        let stopped = self.shared.stop.load(Relaxed);
        while let Source::Open(_, Some(due)) = self.source {
            if due > now || (!stopped && now - due < self.shared.plan.timeout) {
                return;
            }
            self.advance();
            let waited = !stopped || due <= self.held_up;
            if waited && due >= self.window.measured {
                tally.made += 1;
                tally.failed(Trouble::NotSent, "");
                self.shared.failed.fetch_add(1, Relaxed);
            }
        }
    }

    /// A call has ended.
    pub(super) fn ended(&self, ticket: Ticket, reply: &Reply, now: Instant, tally: &mut Tally) {
        let outcome = reply.outcome();
        if let Outcome::Failed(_) = outcome {
            self.shared.failed.fetch_add(1, Relaxed);
        } else {
            self.shared.answered.fetch_add(1, Relaxed);
            if self.window.holds(now) {
                tally.arrived(now);
            }
        }
        if ticket.measured {
            tally.ended(outcome, now.saturating_duration_since(ticket.due), reply.message());
        }
    }

    /// Whether no more requests will be made.
    pub(super) fn is_done(&self, now: Instant) -> bool {
        match self.source {
            Source::Open(_, due) => due.is_none() || self.shared.stop.load(Relaxed),
            Source::Closed => {
                self.shared.stop.load(Relaxed) || self.window.has_ended(now) || self.shared.left.load(Relaxed) == 0
            }
        }
    }

    /// There is no connection: deals with what is due meanwhile. `since` then.
    pub(super) fn wait_for_connection(&mut self, now: Instant, since: Instant, tally: &mut Tally) -> bool {
        self.held_up = now;
        self.expire(now, tally);
        // a number of requests, and nobody there to take them: it would never end
        let hopeless = self.window.end.is_none() && now - since >= self.shared.plan.timeout;
        !self.is_done(now) && !hopeless
    }

    /// When the next request of an open loop is due that could be made.
    pub(super) fn alarm(&self, calls: &mut impl Calls) -> Option<Instant> {
        let Source::Open(_, due) = self.source else { return None };
        due.filter(|_| self.has_room(calls))
    }
}

#[cfg(test)]
mod tests;
