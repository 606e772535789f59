//! Counts of one listener's TLS: updated once a handshake or a reload, never once a call.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::tls::{Reason, tally::Tally};

/// Counts since the start.
#[derive(Debug, Default)]
pub(super) struct Stats {
    pub(super) tally: Tally,
    applied: AtomicU64,
    refused: AtomicU64,
}

impl Stats {
    pub(super) fn applied(&self) {
        self.applied.fetch_add(1, Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(super) fn reading(&self) -> Counts {
        Counts {
            handshakes: self.tally.handshakes(),
            failures: Reason::OF_LISTENERS.map(|reason| (reason, self.tally.failures(reason))),
            reloads: self.applied.load(Relaxed),
            refused_reloads: self.refused.load(Relaxed),
        }
    }
}

/// The counts of one listener's TLS since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Handshakes that succeeded.
    pub handshakes: u64,
    /// Handshakes that failed, by reason.
    pub failures: [(Reason, u64); Reason::OF_LISTENERS.len()],
    /// Changes of files that were put in force.
    pub reloads: u64,
    /// Changes of files that were refused.
    pub refused_reloads: u64,
}
