//! Returns free memory to the system in the background, so that no worker has to.

use std::{hint::black_box, time::Duration};

use tokio::{task::spawn_blocking, time};

/// The allocator itself returns memory a second after it was freed, on the thread that next frees something. After a
/// load of a million rules that is a gigabyte, which would stop a worker for fifty milliseconds. This interval is
/// shorter, so that nothing is left for a worker to return.
const INTERVAL: Duration = Duration::from_millis(250);

/// Calls [`release`] at intervals. Runs until dropped.
pub(super) async fn release_periodically() {
    loop {
        time::sleep(INTERVAL).await;
        // an error means that the process is about to end
        let _ = spawn_blocking(release).await;
    }
}

/// Returns free memory to the system: what the calling thread has freed, and what belongs to no thread. The allocator's
/// function for that is available in C only, but the allocator also does it before it reports that an allocation has
/// failed. So this attempts an allocation that always fails, as it is larger than a 64-bit address space.
pub(super) fn release() {
    const TOO_MUCH: usize = isize::MAX as usize / 2;
    // hidden from the compiler, which may otherwise remove the unused allocation
    let mut nothing = black_box(Vec::<u8>::new());
    let allocated = nothing.try_reserve_exact(TOO_MUCH);
    debug_assert!(allocated.is_err(), "no address space is that large");
    black_box(nothing);
}
