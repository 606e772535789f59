//! The thread on which rules are compiled, and freed when no request uses them any more, with a lower priority than those that
//! answer.
//!
//! It is one thread for as long as the process lives, because what another thread frees than made it comes back late.

use std::{io, time::Duration};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinError,
};

use super::memory;

/// What the thread is nicer by. The kernel gives it a tenth of what a worker gets where both want all: on a busy machine
/// loading takes longer, and ends.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Longer than a process lives.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

/// The thread's owner. To be ended outside of any runtime.
#[derive(Debug)]
pub(super) struct LoaderThread(Runtime);

impl LoaderThread {
    /// The thread starts with its first job.
    pub(super) fn new() -> io::Result<Self> {
        let mut builder = Builder::new_current_thread();
        builder.max_blocking_threads(1).thread_keep_alive(FOREVER).thread_name("rules").on_thread_start(be_nice);
        builder.build().map(Self)
    }

    /// For one who has jobs.
    pub(super) fn loader(&self) -> Loader {
        Loader(self.0.handle().clone())
    }

    /// Starts no more jobs. One that is under way, for rules that nobody will use, ends with the process.
    pub(super) fn end(self) {
        self.0.shutdown_background();
    }
}

/// Has jobs done, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Loader(Handle);

impl Loader {
    /// Does a job. Fails if it panics, which is printed, or if the process is about to end.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let job = || {
            let done = job();
            // what this thread keeps for itself, no other can give back
            memory::give_back();
            done
        };
        self.0.spawn_blocking(job).await
    }

    /// Frees something large.
    pub(super) async fn free(self, garbage: impl Send + 'static) {
        // an error means that the process is about to end, and its memory with it
        let _ = self.run(move || drop(garbage)).await;
    }
}

/// A thread may always become nicer. Where it cannot, it competes with the workers.
fn be_nice() {
    #[cfg(target_os = "linux")]
    {
        // of this thread alone: to Linux each is a process of its own in this
        _ = rustix::process::nice(NICE);
    }
}
