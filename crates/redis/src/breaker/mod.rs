//! A circuit breaker for each address of Redis, shared by the workers.
//!
//! ```text
//!            failures in a row, or too large a share of them
//!   Closed ────────────────────────────────────────────────▶ Open ◀──┐
//!     ▲                                                       │      │ the probe fails:
//!     │                                      after a cooldown │      │ a longer cooldown
//!     │                                                       ▼      │
//!     └────────────────────────────────────────────────── HalfOpen ──┘
//!              the probe is answered, or no client uses the address any more
//! ```
//!
//! One call is one observation. A call without a reply is a failure, and so is a refusal that recurs until an operator
//! corrects the setup. Time is an argument, and nothing here sends a probe: the task that has claimed the probing does.

#[cfg(test)]
mod tests;
mod window;

use std::{
    num::NonZeroU32,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use self::window::Window;

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerConfig {
    /// Failures in a row that open it.
    pub consecutive: NonZeroU32,
    /// The share of failures, from 0 to 1, that opens it.
    pub ratio: f64,
    /// The time over which the share is taken.
    pub window: Duration,
    /// The least number of calls in that time for the share to count.
    pub min_calls: NonZeroU32,
    /// The time until the first probe. It doubles after each probe that fails, and when the breaker reopens within a
    /// window.
    pub cooldown: Duration,
    /// The longest cooldown.
    pub max_cooldown: Duration,
}

/// The state of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls go through.
    Closed,
    /// A probe is under way; calls fail at once.
    HalfOpen,
    /// Calls fail at once.
    Open,
}

/// The outcome of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Redis replied: with a verdict, or with a temporary refusal.
    Answered,
    /// Redis refused, and will refuse the next calls too. Several in a row open the breaker, a share of them does not:
    /// a Redis that still decides some calls (denials and requests without a charge need neither memory nor a primary)
    /// is worth calling.
    Refused,
    /// Redis did not reply in time, or could not be reached.
    Silent,
}

/// A call that was admitted, with the number of times that the breaker had opened before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admitted {
    opened: u64,
}

/// A breaker. Admitting a call takes no lock; observing its outcome takes one that is never held for long.
#[derive(Debug)]
pub(super) struct Breaker {
    config: BreakerConfig,
    /// Mirrors whether the state is not closed.
    shut: AtomicBool,
    opened: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: BreakerState,
    in_a_row: u32,
    window: Window,
    /// The current cooldown, before jitter.
    cooldown: Duration,
    /// When it closed last.
    closed_at: Option<Instant>,
    /// Whether it opened soon after it had closed.
    reopened: bool,
    is_probed: bool,
}

impl Breaker {
    pub(super) fn new(config: BreakerConfig) -> Self {
        let inner = Inner {
            state: BreakerState::Closed,
            in_a_row: 0,
            window: Window::new(config.window),
            cooldown: config.cooldown,
            closed_at: None,
            reopened: false,
            is_probed: false,
        };
        Self { config, shut: AtomicBool::new(false), opened: AtomicU64::new(0), inner: Mutex::new(inner) }
    }

    /// Whether a call may be made.
    pub(super) fn admits(&self) -> bool {
        !self.shut.load(Relaxed)
    }

    /// Admits a call; `None` while the breaker is not closed.
    pub(super) fn admit(&self) -> Option<Admitted> {
        let opened = self.opened();
        self.admits().then_some(Admitted { opened })
    }

    /// Records the outcome of a call; returns whether that opened the breaker. A call that was admitted before the last
    /// opening changes nothing.
    pub(super) fn observe(&self, call: Admitted, outcome: Outcome, now: Instant) -> bool {
        let mut inner = self.lock();
        if inner.state != BreakerState::Closed || call.opened != self.opened() {
            return false;
        }
        inner.window.add(outcome != Outcome::Silent, now);
        if outcome == Outcome::Answered {
            inner.in_a_row = 0;
            return false;
        }
        inner.in_a_row = inner.in_a_row.saturating_add(1);
        let (calls, failures) = inner.window.sums(now);
        let share = f64::from(failures) / f64::from(calls.max(1));
        let is_share = outcome == Outcome::Silent && calls >= self.config.min_calls.get() && share >= self.config.ratio;
        let opens = inner.in_a_row >= self.config.consecutive.get() || is_share;
        if opens {
            inner.state = BreakerState::Open;
            // an address that answers only probes, and no calls, has a longer cooldown each time
            let again = inner.closed_at.is_some_and(|at| now.duration_since(at) < self.config.window);
            inner.reopened = again;
            inner.cooldown = if again { self.longer(inner.cooldown) } else { self.config.cooldown };
            self.shut.store(true, Relaxed);
            self.opened.fetch_add(1, Relaxed);
        }
        opens
    }

    /// Claims the probing, if the breaker is not closed and no task has claimed it; returns whether it did. The holder
    /// must call [`Self::release`] at its end.
    pub(super) fn claim(&self) -> bool {
        let mut inner = self.lock();
        inner.state != BreakerState::Closed && !std::mem::replace(&mut inner.is_probed, true)
    }

    /// Whether the probing is claimed.
    pub(super) fn is_probed(&self) -> bool {
        self.lock().is_probed
    }

    /// Gives up the claim.
    pub(super) fn release(&self) {
        self.lock().is_probed = false;
    }

    /// The pause before the next probe: at random between half the cooldown and all of it, so that workers and
    /// processes do not probe at the same time.
    pub(super) fn pause(&self) -> Duration {
        self.lock().cooldown.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// Whether a new connection justifies a probe before the cooldown is over. Not for an address that answers only
    /// probes.
    pub(super) fn may_be_hurried(&self) -> bool {
        !self.lock().reopened
    }

    /// Begins a probe; returns `false` if the breaker has been closed meanwhile.
    pub(super) fn probe(&self) -> bool {
        let mut inner = self.lock();
        let is_shut = inner.state != BreakerState::Closed;
        if is_shut {
            inner.state = BreakerState::HalfOpen;
        }
        is_shut
    }

    /// Ends a probe; returns whether that closed the breaker, which may have been closed meanwhile.
    pub(super) fn probed(&self, answered: bool, now: Instant) -> bool {
        let mut inner = self.lock();
        if inner.state == BreakerState::Closed {
            return false;
        }
        if answered {
            self.close(&mut inner);
            inner.closed_at = Some(now);
        } else {
            inner.state = BreakerState::Open;
            inner.cooldown = self.longer(inner.cooldown);
        }
        answered
    }

    /// Records a new connection that is proven to count, which is equivalent to a probe; returns whether that closed
    /// the breaker. It does not if the address answers only probes.
    pub(super) fn proven(&self, now: Instant) -> bool {
        let mut inner = self.lock();
        let closes = inner.state != BreakerState::Closed && !inner.reopened;
        if closes {
            self.close(&mut inner);
            inner.closed_at = Some(now);
        }
        closes
    }

    /// Forgets the state of the address; returns whether that closed the breaker. A claim of the probing stays.
    pub(super) fn reset(&self) -> bool {
        let mut inner = self.lock();
        let was_shut = inner.state != BreakerState::Closed;
        self.close(&mut inner);
        inner.closed_at = None;
        was_shut
    }

    fn close(&self, inner: &mut Inner) {
        inner.state = BreakerState::Closed;
        inner.in_a_row = 0;
        inner.window = Window::new(self.config.window);
        self.shut.store(false, Relaxed);
    }

    fn longer(&self, cooldown: Duration) -> Duration {
        (cooldown * 2).min(self.config.max_cooldown)
    }

    pub(super) fn state(&self) -> BreakerState {
        self.lock().state
    }

    /// How many times it has opened since the start.
    pub(super) fn opened(&self) -> u64 {
        self.opened.load(Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
