//! Lines that each say something new, of what may change as often as a peer likes.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How many lines may be logged: so many at once, and then one each [`Self::PAUSE`].
#[derive(Debug)]
pub struct LineBudget(Mutex<Budget>);

#[derive(Debug)]
struct Budget {
    lines: u32,
    /// When the last of them was given back.
    since: Instant,
    left_out: u64,
}

impl LineBudget {
    const BURST: u32 = 32;
    const PAUSE: Duration = Duration::from_secs(2);

    /// A full budget: its pauses begin at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self(Mutex::new(Budget { lines: Self::BURST, since: now, left_out: 0 }))
    }

    /// Whether a line may be logged now; if so, how many were left out before it.
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
    fn a_budget_gives_some_lines_at_once_and_then_one_each_pause() {
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
