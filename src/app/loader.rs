//! The thread that compiles rules, and frees them when no request uses them any more. Its priority is lower than that
//! of the threads that answer requests.
//!
//! The process has one such thread for as long as it runs: the allocator returns memory to the system late if it is
//! freed by a thread other than the one that allocated it.

use std::{io, time::Duration};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinError,
};

use super::memory;

/// How much higher the thread's nice value is than that of the workers. Where both compete for a CPU, the kernel gives
/// the thread a tenth of a worker's time: on a busy machine loading takes longer, but it does end.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// How long the thread is kept without a job: 136 years.
const KEEP_ALIVE: Duration = Duration::from_secs(u32::MAX as u64);

/// Owns the thread. [`LoaderThread::end`] must be called outside of any runtime.
#[derive(Debug)]
pub(super) struct LoaderThread(Runtime);

impl LoaderThread {
    /// The thread starts with its first job.
    pub(super) fn new() -> io::Result<Self> {
        let mut builder = Builder::new_current_thread();
        builder.max_blocking_threads(1).thread_keep_alive(KEEP_ALIVE).thread_name("rules");
        builder.on_thread_start(lower_priority).build().map(Self)
    }

    /// A handle that runs jobs on the thread.
    pub(super) fn loader(&self) -> Loader {
        Loader(self.0.handle().clone())
    }

    /// Starts no more jobs. A job that is running is not waited for: it ends with the process.
    pub(super) fn end(self) {
        self.0.shutdown_background();
    }
}

/// Runs jobs on the thread, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Loader(Handle);

impl Loader {
    /// Runs a job and returns its result.
    ///
    /// # Errors
    /// If the job panics, which is printed, or the process is about to end.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let job = || {
            let done = job();
            // only this thread can release the free memory that the allocator keeps for it
            memory::release();
            done
        };
        self.0.spawn_blocking(job).await
    }

    /// Frees a large value on the thread.
    pub(super) async fn free(self, garbage: impl Send + 'static) {
        // an error means that the process is about to end, and its memory with it
        let _ = self.run(move || drop(garbage)).await;
    }
}

/// Lowers the priority of this thread, which the system always allows. On systems other than Linux the thread competes
/// with the workers.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        // on Linux the nice value is that of the calling thread, not of the process
        _ = rustix::process::nice(NICE);
    }
}
