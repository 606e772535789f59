//! Events that peers can cause at will: each is counted, and a line is logged of them at most once a minute.

use std::{
    sync::{
        Mutex, PoisonError, TryLockError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Between two lines of one kind.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

/// The events of one kind.
#[derive(Debug, Default)]
pub(crate) struct Throttled {
    total: AtomicU64,
    /// When the last line was logged, and the total at that time.
    logged: Mutex<Option<(Instant, u64)>>,
}

impl Throttled {
    /// Counts one more. If a line is due, how many it stands for.
    pub(crate) fn add(&self, now: Instant) -> Option<u64> {
        let total = self.count();
        // somebody else is about to log: that line is enough
        let mut logged = match self.logged.try_lock() {
            Ok(logged) => logged,
            Err(TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
            Err(TryLockError::WouldBlock) => return None,
        };
        let before = match *logged {
            Some((last, _)) if now.saturating_duration_since(last) < BETWEEN_LINES => return None,
            Some((_, before)) => before,
            None => 0,
        };
        *logged = Some((now, total));
        Some(total.saturating_sub(before))
    }

    /// Counts one more that is not logged. Returns the total.
    pub(crate) fn count(&self) -> u64 {
        self.total.fetch_add(1, Relaxed) + 1
    }

    /// How many were counted.
    pub(crate) fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }
}

/// Lines about something that may change as often as a peer likes, each of which says something new: so many at once, and
/// then one each [`Self::PAUSE`].
#[derive(Debug)]
pub(crate) struct LineBudget(Mutex<Budget>);

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

    pub(crate) fn new(now: Instant) -> Self {
        Self(Mutex::new(Budget { lines: Self::BURST, since: now, left_out: 0 }))
    }

    /// Whether a line may be logged now; if so, how many were left out before it.
    pub(crate) fn line(&self, now: Instant) -> Option<u64> {
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

    #[test]
    fn a_line_is_due_once_a_minute_and_says_for_how_many_it_stands() {
        let events = Throttled::default();
        let start = Instant::now();
        assert_eq!(events.add(start), Some(1));
        assert_eq!(events.add(start + Duration::from_secs(1)), None);
        assert_eq!(events.add(start + Duration::from_secs(59)), None);
        assert_eq!(events.add(start + Duration::from_secs(60)), Some(3));
        assert_eq!(events.total(), 4);
    }
}
