//! Events that peers can cause at will: each is counted, and a line is logged of them at most once a minute.

mod lines;

use std::{
    sync::{
        Mutex, PoisonError, TryLockError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

pub use self::lines::LineBudget;

/// Between two lines of one kind.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

/// The events of one kind.
#[derive(Debug, Default)]
pub struct Throttled {
    total: AtomicU64,
    /// When the last line was logged, and the total at that time.
    logged: Mutex<Option<(Instant, u64)>>,
}

impl Throttled {
    /// Counts one more. If a line is due, how many it stands for.
    pub fn add(&self, now: Instant) -> Option<u64> {
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
    pub fn count(&self) -> u64 {
        self.total.fetch_add(1, Relaxed) + 1
    }

    /// How many were counted.
    pub fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
