//! Counts calls and failures in a sliding window, in tenths of its length.

use std::time::{Duration, Instant};

const PARTS: usize = 10;

/// Sums over a window that slides by a tenth of its length.
#[derive(Debug)]
pub(super) struct Window {
    part: Duration,
    /// Calls and failures of each part; the newest is at `newest`.
    parts: [(u32, u32); PARTS],
    newest: usize,
    /// When the newest part began.
    since: Option<Instant>,
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        let part = (length / PARTS as u32).max(Duration::from_millis(1));
        Self { part, parts: [(0, 0); PARTS], newest: 0, since: None }
    }

    pub(super) fn add(&mut self, answered: bool, now: Instant) {
        self.slide(now);
        let (calls, failures) = &mut self.parts[self.newest];
        *calls = calls.saturating_add(1);
        *failures = failures.saturating_add(u32::from(!answered));
    }

    /// The calls in the window, and the failures among them.
    pub(super) fn sums(&mut self, now: Instant) -> (u32, u32) {
        self.slide(now);
        let add = |(calls, failures): (u32, u32), part: &(u32, u32)| {
            (calls.saturating_add(part.0), failures.saturating_add(part.1))
        };
        self.parts.iter().fold((0, 0), add)
    }

    fn slide(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let passed = now.saturating_duration_since(since).as_nanos() / self.part.as_nanos();
        if passed >= PARTS as u128 {
            self.parts = [(0, 0); PARTS];
            self.since = Some(now);
            return;
        }
        for _ in 0..passed {
            self.newest = (self.newest + 1) % PARTS;
            self.parts[self.newest] = (0, 0);
        }
        self.since = Some(since + self.part * passed as u32);
    }
}
