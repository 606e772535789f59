//! Counts the open connections of each worker.

use std::sync::{Arc, atomic::Ordering};

use super::Stats;

/// Counts one connection as open, on its worker, until it is dropped.
#[derive(Debug)]
pub(super) struct OpenGuard {
    pub(super) stats: Arc<Stats>,
    worker: usize,
}

impl OpenGuard {
    pub(super) fn new(stats: &Arc<Stats>, worker: usize) -> Self {
        stats.open[worker].fetch_add(1, Ordering::Relaxed);
        Self { stats: Arc::clone(stats), worker }
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.stats.open[self.worker].fetch_sub(1, Ordering::Relaxed);
    }
}
