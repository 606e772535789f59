//! One connection's share of the load: which requests are due, and how they ended. Without I/O and without a clock: the
//! caller passes the time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use bytes::Bytes;
use fastrand::Rng;

use super::{schedule::Schedule, tally::Tally};
use crate::{
    config::{Config, Pace, Until},
    request::{Outcome, Reply, Requests, Trouble},
};

/// What all lanes of a run share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) requests: Requests,
    pub(crate) authority: String,
    /// In a closed loop with a number of requests: how many may still be sent.
    pub(crate) left: AtomicU64,
    /// Whether no more requests may be sent.
    pub(crate) stop: AtomicBool,
    /// The number of responses and failures so far, for the progress line.
    pub(crate) answered: AtomicU64,
    pub(crate) failed: AtomicU64,
}

impl Shared {
    pub(crate) fn new(config: Config, requests: Requests, authority: String) -> Self {
        let left = match (config.pace, config.until) {
            (Pace::Answers, Until::Sent(count)) => count.get(),
            _ => u64::MAX,
        };
        Self {
            config,
            requests,
            authority,
            left: AtomicU64::new(left),
            stop: AtomicBool::new(false),
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }
}

/// When a run starts, when its measured time begins, and when it ends if its duration is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) start: Instant,
    pub(crate) measured: Instant,
    pub(crate) end: Option<Instant>,
}

impl Window {
    /// The window of a run that starts at `start`.
    pub(crate) fn new(config: &Config, start: Instant) -> Self {
        let measured = start + config.warm_up;
        let end = match config.until {
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

/// The state of a request in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// When the request was due; in a closed loop, when it was sent.
    due: Instant,
    measured: bool,
}

/// A connection as a lane uses it: a number of concurrent calls.
pub(crate) trait Calls {
    /// The number of calls in flight.
    fn in_flight(&self) -> usize;
    /// Whether another call can be made now.
    fn has_room(&mut self) -> bool;
    /// Makes a call, which is abandoned at `deadline`. Returns false if the connection accepts no more calls.
    fn call(&mut self, ticket: Ticket, message: Bytes, deadline: Instant) -> bool;
}

/// One connection's share of the load.
#[derive(Debug)]
pub(crate) struct Lane {
    shared: Arc<Shared>,
    window: Window,
    source: Source,
    random: Rng,
    /// Requests that were due before this instant had to wait for a stream or a connection.
    held_up: Instant,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    Closed,
    /// The schedule, and when its next request is due, if there is one.
    Open(Schedule, Option<Instant>),
}

impl Lane {
    /// The share of the `nth` connection.
    pub(crate) fn new(shared: &Arc<Shared>, window: Window, nth: usize) -> Self {
        let config = &shared.config;
        let source = match config.pace.rate() {
            None => Source::Closed,
            Some(rate) => {
                let count = match config.until {
                    Until::Elapsed(time) => Schedule::count_in(rate, config.warm_up + time),
                    Until::Sent(count) => Schedule::count_in(rate, config.warm_up).saturating_add(count.get()),
                };
                let mut schedule = Schedule::new(rate, nth, config.connections.get(), count);
                if let Pace::Scattered(_) = config.pace {
                    schedule = schedule.scattered(config.seed);
                }
                Source::Open(schedule, schedule.due().map(|due| window.start + due))
            }
        };
        let random = Rng::with_seed(config.seed.wrapping_add(nth as u64));
        Self { shared: Arc::clone(shared), window, source, random, held_up: window.start }
    }

    /// Sends all requests that can be sent now; in an open loop, those that are due.
    pub(crate) fn send(&mut self, calls: &mut impl Calls, now: Instant, tally: &mut Tally) {
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
            if !calls.call(ticket, message, due + self.shared.config.timeout) {
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
        calls.in_flight() < self.shared.config.streams.get() && calls.has_room()
    }

    /// Whether one more request may be sent. If so, it is counted as sent.
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

    /// Undoes [`take`](Self::take) for a request that could not be sent: another lane may send it.
    fn give_back(&self, ticket: Ticket) {
        if let Source::Closed = self.source
            && self.is_numbered(ticket)
        {
            self.shared.left.fetch_add(1, Relaxed);
        }
    }

    /// Whether the request counts towards the number of requests of the run.
    const fn is_numbered(&self, ticket: Ticket) -> bool {
        ticket.measured && self.window.end.is_none()
    }

    fn advance(&mut self) {
        if let Source::Open(schedule, due) = &mut self.source {
            schedule.advance();
            *due = schedule.due().map(|due| self.window.start + due);
        }
    }

    /// Fails the requests that have been due for too long. After a stop nothing more is sent: requests that had to wait
    /// have failed, the others were never due.
    fn expire(&mut self, now: Instant, tally: &mut Tally) {
        let stopped = self.shared.stop.load(Relaxed);
        while let Source::Open(_, Some(due)) = self.source {
            if due > now || (!stopped && now - due < self.shared.config.timeout) {
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

    /// Handles the end of a call.
    pub(crate) fn ended(&self, ticket: Ticket, reply: &Reply, now: Instant, tally: &mut Tally) {
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

    /// Whether no more requests will be sent.
    pub(crate) fn is_done(&self, now: Instant) -> bool {
        match self.source {
            Source::Open(_, due) => due.is_none() || self.shared.stop.load(Relaxed),
            Source::Closed => {
                self.shared.stop.load(Relaxed) || self.window.has_ended(now) || self.shared.left.load(Relaxed) == 0
            }
        }
    }

    /// Fails requests that have been due for too long, given that there has been no connection since `since`. Returns
    /// whether to keep connecting.
    pub(crate) fn wait_for_connection(&mut self, now: Instant, since: Instant, tally: &mut Tally) -> bool {
        self.held_up = now;
        self.expire(now, tally);
        // a run with a number of requests would never end without a server
        let hopeless = self.window.end.is_none() && now - since >= self.shared.config.timeout;
        !self.is_done(now) && !hopeless
    }

    /// When to wake up for the next request of an open loop, if it could be sent then.
    pub(crate) fn alarm(&self, calls: &mut impl Calls) -> Option<Instant> {
        let Source::Open(_, due) = self.source else { return None };
        due.filter(|_| self.has_room(calls))
    }
}

#[cfg(test)]
mod tests;
