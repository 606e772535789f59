//! A budget for log lines about state that may change as often as a peer likes, where each line has new information and
//! so cannot stand for others.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A token bucket of log lines: 32 at once, then one every two seconds.
#[derive(Debug)]
pub struct LineBudget(Mutex<Budget>);

#[derive(Debug)]
struct Budget {
    /// Lines that may be logged now.
    lines: u32,
    /// When the last line was added to the budget.
    since: Instant,
    /// Lines that were suppressed since the last one that was allowed.
    left_out: u64,
}

impl LineBudget {
    const BURST: u32 = 32;
    const PAUSE: Duration = Duration::from_secs(2);

    /// A full budget at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self(Mutex::new(Budget { lines: Self::BURST, since: now, left_out: 0 }))
    }

    /// Takes a line from the budget. Returns the number of lines that were suppressed since the previous one, or `None`
    /// if this one has to be suppressed too.
    pub fn line(&self, now: Instant) -> Option<u64> {
        let mut budget = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pauses = now.saturating_duration_since(budget.since).as_millis() / Self::PAUSE.as_millis();
        let back = u32::try_from(pauses).unwrap_or(u32::MAX);
        budget.lines = budget.lines.saturating_add(back).min(Self::BURST);
        budget.since = if budget.lines == Self::BURST { now } else { budget.since + Self::PAUSE * back };
        match budget.lines.checked_sub(1) {
            Some(left) => {
                budget.lines = left;
                Some(std::mem::take(&mut budget.left_out))
            }
            None => {
                budget.left_out += 1;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_allows_a_burst_and_then_one_line_each_pause() {
        let start = Instant::now();
        let budget = LineBudget::new(start);
        let at = |millis| start + Duration::from_millis(millis);
        for _ in 0..LineBudget::BURST {
            assert_eq!(budget.line(at(10)), Some(0));
        }
        assert_eq!([budget.line(at(20)), budget.line(at(1999))], [None, None]);
        assert_eq!([budget.line(at(2010)), budget.line(at(2020))], [Some(2), None]);
        // a minute of flapping, a thousand times a second
        let lines = (0..60_000).filter(|millis| budget.line(at(3000 + millis)).is_some()).count();
        assert_eq!(lines, 30);
        let rested = at(3_600_000);
        assert_eq!((0..100).filter(|_| budget.line(rested).is_some()).count(), LineBudget::BURST as usize);
    }
}
