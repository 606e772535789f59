//! How many hits were answered by a failure mode.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::domain::FailureMode;

/// Hits that were answered in place of the store, by mode. Shared by the stacks of all workers.
#[derive(Debug, Default)]
pub struct DegradedStats([AtomicU64; FailureMode::ALL.len()]);

impl DegradedStats {
    /// Hits for each mode that answers.
    pub fn hits(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let modes = FailureMode::ALL.into_iter().filter(|mode| *mode != FailureMode::Error);
        modes.map(|mode| (mode.name(), self.0[mode as usize].load(Relaxed)))
    }

    pub(super) fn count(&self, mode: FailureMode) {
        self.0[mode as usize].fetch_add(1, Relaxed);
    }
}
