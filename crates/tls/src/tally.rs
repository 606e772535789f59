//! Counts the handshakes of one listener, or with one kind of server, and limits the log lines about failed ones.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Instant,
};

use super::Reason;
use throttle::Throttled;

/// Counts since the start.
#[derive(Debug, Default)]
pub(super) struct Tally {
    finished: AtomicU64,
    failed: [Throttled; Reason::COUNT],
}

impl Tally {
    pub(super) fn finished(&self) {
        self.finished.fetch_add(1, Relaxed);
    }

    /// Counts a failure. If a log line is due, returns the number of failures of this kind since the previous line.
    pub(super) fn failed(&self, reason: Reason) -> Option<u64> {
        self.failed[reason as usize].add(Instant::now())
    }

    /// Counts a failure that is not logged.
    pub(super) fn failed_quietly(&self, reason: Reason) {
        self.failed[reason as usize].count();
    }

    pub(super) fn handshakes(&self) -> u64 {
        self.finished.load(Relaxed)
    }

    pub(super) fn failures(&self, reason: Reason) -> u64 {
        self.failed[reason as usize].total()
    }
}
