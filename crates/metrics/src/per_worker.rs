//! Statistics that each worker keeps on its own, exported as one.

use std::sync::{Arc, Mutex, PoisonError};

/// Statistics of which each worker has its own, so that counting never contends. Align `T` to 128 bytes, so that no two
/// share a cache line.
#[derive(Debug, Default)]
pub struct PerWorker<T>(Mutex<Vec<Arc<T>>>);

impl<T: Default> PerWorker<T> {
    /// Adds and returns the statistics of one more worker.
    #[must_use]
    pub fn add(&self) -> Arc<T> {
        let one = Arc::<T>::default();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&one));
        one
    }

    /// Visits the statistics of each worker.
    pub fn for_each(&self, visit: impl FnMut(&T)) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|one| &**one).for_each(visit);
    }
}
