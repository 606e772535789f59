//! The health probe of a worker: the worker answers it as soon as it runs its tasks. Without probes it costs nothing.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// The probe of one worker.
#[derive(Debug, Default)]
pub(super) struct WorkerProbe {
    state: Mutex<ProbeState>,
    sent: Notify,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ProbeState {
    /// Every probe was answered.
    #[default]
    Answered,
    /// The last probe is pending since this time.
    Pending(Instant),
    /// The worker has ended normally, after all its connections. It answers no probes.
    Ended,
}

impl WorkerProbe {
    /// Sends a probe, unless one is pending. Returns for how long it has been pending; zero once the worker has ended.
    pub(super) fn probe(&self) -> Duration {
        let mut state = self.lock();
        let since = match *state {
            ProbeState::Ended => return Duration::ZERO,
            ProbeState::Pending(since) => since,
            ProbeState::Answered => Instant::now(),
        };
        *state = ProbeState::Pending(since);
        self.sent.notify_one();
        since.elapsed()
    }

    /// Records that the worker has ended without a panic.
    pub(super) fn end(&self) {
        *self.lock() = ProbeState::Ended;
    }

    fn lock(&self) -> MutexGuard<'_, ProbeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers probes until dropped.
    pub(super) async fn answer(&self) {
        loop {
            self.sent.notified().await;
            *self.lock() = ProbeState::Answered;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_probe_is_pending_until_the_worker_answers_it() {
        let probe = WorkerProbe::default();
        let since = || match *probe.lock() {
            ProbeState::Pending(since) => Some(since),
            ProbeState::Answered | ProbeState::Ended => None,
        };
        probe.probe();
        let first = since().expect("it is pending");
        std::thread::sleep(Duration::from_millis(20));
        assert!(probe.probe() >= Duration::from_millis(20) && since() == Some(first), "it is not answered");
        tokio::select! {
            () = probe.answer() => {}
            () = async { while since().is_some() { tokio::task::yield_now().await } } => {}
        }
        probe.probe();
        assert!(since() > Some(first), "it was answered, and this is another one");
        probe.end();
        assert_eq!(probe.probe(), Duration::ZERO, "it has ended");
    }
}
