//! The waker of the calls of one connection. It records that a call was woken, so that calls are polled then, and not
//! whenever bytes arrive.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

/// Wakes the connection's task.
#[derive(Debug, Default)]
pub(super) struct CallsWaker {
    is_woken: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl CallsWaker {
    /// Sets the task to wake.
    pub(super) fn set(&self, task: &Waker) {
        let mut kept = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *kept {
            Some(kept) => kept.clone_from(task),
            None => *kept = Some(task.clone()),
        }
    }

    /// Whether a call was woken since the last time.
    pub(super) fn take(&self) -> bool {
        self.is_woken.swap(false, Ordering::AcqRel)
    }
}

impl Wake for CallsWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_woken.swap(true, Ordering::AcqRel) {
            return;
        }
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}
