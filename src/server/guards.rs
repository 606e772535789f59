//! Guards that count connections, or connections in a state, for as long as they live.

use std::sync::{Arc, atomic::Ordering};

use super::Stats;
use slot_pool::Slot;

/// Counts one open connection of a worker for as long as it lives.
#[derive(Debug)]
pub(super) struct OpenGuard {
    pub(super) stats: Arc<Stats>,
    worker: usize,
    _slot: Slot,
}

impl OpenGuard {
    pub(super) fn new(stats: &Arc<Stats>, worker: usize, slot: Slot) -> Self {
        stats.open[worker].fetch_add(1, Ordering::Relaxed);
        Self { stats: Arc::clone(stats), worker, _slot: slot }
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.stats.open[self.worker].fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts one open connection whose peer has not sent a byte yet.
#[derive(Debug)]
pub(super) struct SilentPeerGuard(Arc<Stats>);

impl SilentPeerGuard {
    pub(super) fn new(stats: &Arc<Stats>) -> Self {
        stats.silent.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(stats))
    }
}

impl Drop for SilentPeerGuard {
    fn drop(&mut self) {
        self.0.silent.fetch_sub(1, Ordering::Relaxed);
    }
}
