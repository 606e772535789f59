//! Counts that hold for as long as a connection, or a state of it, lives.

use std::sync::{Arc, atomic::Ordering};

use super::Stats;
use crate::slot_pool::Slot;

/// Counts one open connection of a worker for as long as it lives.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) stats: Arc<Stats>,
    worker: usize,
    _place: Slot,
}

impl Seat {
    pub(super) fn take(stats: &Arc<Stats>, worker: usize, slot: Slot) -> Self {
        stats.open[worker].fetch_add(1, Ordering::Relaxed);
        Self { stats: Arc::clone(stats), worker, _place: slot }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.stats.open[self.worker].fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts one open connection whose peer has not spoken yet, until it has.
#[derive(Debug)]
pub(super) struct Silent(Arc<Stats>);

impl Silent {
    pub(super) fn new(stats: &Arc<Stats>) -> Self {
        stats.silent.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(stats))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.0.silent.fetch_sub(1, Ordering::Relaxed);
    }
}
