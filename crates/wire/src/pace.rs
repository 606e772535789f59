//! Measures whether a peer takes what waits for it.

use std::time::Instant;

/// A peer that takes less than this within its time counts as not taking anything.
const PROGRESS: usize = 1 << 10;

/// Since when a peer has taken less than [`PROGRESS`], and how much it has taken since then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    since: Instant,
    taken: usize,
}

impl Pace {
    /// Starts when something begins to wait.
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, taken: 0 }
    }

    /// Updates it after the peer has taken this many bytes and more is waiting.
    pub(crate) fn took(self, bytes: usize, now: Instant) -> Self {
        let taken = self.taken.saturating_add(bytes);
        if taken < PROGRESS { Self { taken, ..self } } else { Self::new(now) }
    }

    /// Since when the peer has taken too little.
    pub(crate) fn since(self) -> Instant {
        self.since
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_enough_bytes_are_progress() {
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        let mut pace = Pace::new(start);
        for second in 1..PROGRESS as u64 {
            pace = pace.took(1, later(second));
            assert_eq!(pace.since(), start);
        }
        pace = pace.took(1, later(2000));
        assert_eq!(pace, Pace::new(later(2000)));
        assert_eq!(pace.took(usize::MAX, later(2001)), Pace::new(later(2001)));
    }
}
