//! Rate limits for log lines about events that peers can cause at will: every event is counted, few are logged.

mod lines;

use std::{
    sync::{
        Mutex, PoisonError, TryLockError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

pub use self::lines::LineBudget;

/// The least time between two log lines about one kind of event.
const LINE_INTERVAL: Duration = Duration::from_secs(60);

/// Counts the events of one kind, and allows one log line a minute about them.
#[derive(Debug, Default)]
pub struct Throttled {
    total: AtomicU64,
    /// When the last line was logged, and the total at that time.
    logged: Mutex<Option<(Instant, u64)>>,
}

impl Throttled {
    /// Counts an event. If a log line is due, returns the number of events since the previous line, this one included.
    pub fn add(&self, now: Instant) -> Option<u64> {
        let total = self.count();
        // another thread is about to log, and one line is enough
        let mut logged = match self.logged.try_lock() {
            Ok(logged) => logged,
            Err(TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
            Err(TryLockError::WouldBlock) => return None,
        };
        let before = match *logged {
            Some((last, _)) if now.saturating_duration_since(last) < LINE_INTERVAL => return None,
            Some((_, before)) => before,
            None => 0,
        };
        *logged = Some((now, total));
        Some(total.saturating_sub(before))
    }

    /// Counts an event that is not to be logged. Returns the total.
    pub fn count(&self) -> u64 {
        self.total.fetch_add(1, Relaxed) + 1
    }

    /// The number of events since the start.
    pub fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_once_a_minute_with_the_number_of_events_since_the_last() {
        let events = Throttled::default();
        let start = Instant::now();
        assert_eq!(events.add(start), Some(1));
        assert_eq!(events.add(start + Duration::from_secs(1)), None);
        assert_eq!(events.add(start + Duration::from_secs(59)), None);
        assert_eq!(events.add(start + Duration::from_secs(60)), Some(3));
        assert_eq!(events.total(), 4);
    }
}
