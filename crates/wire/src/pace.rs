//! How fast a peer takes what waits for it.

use std::time::Instant;

/// A peer that takes less than this, in the time that it has, does not take what waits for it.
const PROGRESS: usize = 1 << 10;

/// Since when a peer has taken less than [`PROGRESS`] of something, and how much that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    since: Instant,
    taken: usize,
}

impl Pace {
    /// Something begins to wait.
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, taken: 0 }
    }

    /// The peer has taken so many bytes, and there is more that waits.
    pub(crate) fn took(self, bytes: usize, now: Instant) -> Self {
        let taken = self.taken.saturating_add(bytes);
        if taken < PROGRESS { Self { taken, ..self } } else { Self::new(now) }
    }

    /// Since when the peer has taken too little to be waited for.
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
