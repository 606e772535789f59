//! One count per window: aligned ones of one length, or those of a calendar.

use std::time::Duration;

use super::{
    State,
    meter::{MAX, Meter, Windows, count},
    rounding::{duration, exact, whole},
};
use crate::domain::{Calendar, Limit, RetryAfter, Span, Timestamp};

#[derive(Clone, Copy)]
pub(super) struct FixedWindow {
    limit: f64,
    now: f64,
    start: f64,
    end: f64,
    count: f64,
}

/// The effective present, the window that contains it, and that window's count. A stored time ahead of now replaces now
/// if it is at most the end of the present window, so two clocks that differ by less than a window never reopen a
/// closed one. A later stored time comes from a wrong clock and is replaced by now.
fn by_calendar(state: Option<State>, calendar: Calendar, now: Timestamp) -> (f64, Span, f64) {
    let now = now.as_f64();
    let span = calendar.span(now);
    let Some(state) = state else { return (now, span, 0.0) };
    let (now, time, span) = if state.time <= now {
        (now, state.time, span)
    } else if state.time <= span.end {
        (state.time, state.time, if state.time < span.end { span } else { calendar.span(span.end) })
    } else {
        (now, now, span)
    };
    (now, span, if time >= span.start { count(state.current) } else { 0.0 })
}

impl Meter for FixedWindow {
    fn read(state: Option<State>, limit: &Limit, now: Timestamp) -> Self {
        let (now, Span { start, end }, count) = match limit.window().calendar() {
            Some(calendar) => by_calendar(state, calendar, now),
            None => {
                let length = limit.window().micros();
                let Windows { now, start, current, .. } = Windows::read(state, length, now);
                (now, Span { start, end: start + length }, current)
            }
        };
        Self { limit: exact(limit.requests()), now, start, end, count }
    }

    fn passes(&self, n: f64) -> bool {
        self.count + n <= self.limit
    }

    fn take(self, n: f64) -> Self {
        Self { count: (self.count + n).min(MAX), ..self }
    }

    fn give(self, n: f64) -> Self {
        Self { count: (self.count - n).max(0.0), ..self }
    }

    fn is_untouched(&self) -> bool {
        self.count == 0.0
    }

    fn state(&self) -> State {
        State { time: self.start, current: self.count, previous: 0.0 }
    }

    fn used(&self) -> u64 {
        whole(self.count)
    }

    fn remaining(&self) -> u64 {
        whole(self.limit - self.count)
    }

    fn reset_after(&self) -> Duration {
        duration(self.end - self.now)
    }

    fn retry_after(&self, n: f64) -> RetryAfter {
        if n > self.limit { RetryAfter::Never } else { RetryAfter::After(self.reset_after()) }
    }
}
