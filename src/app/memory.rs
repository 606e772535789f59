//! Free memory goes back to the system from here, so that no worker has to do it.

use std::{hint::black_box, time::Duration};

use tokio::{task::spawn_blocking, time};

/// The allocator gives back by itself what was freed a second ago, on whichever thread frees something then. After a load of a
/// million rules that is a gigabyte: a worker would stand still for fifty milliseconds. So it never waits for so long.
const EVERY: Duration = Duration::from_millis(250);

/// Gives free memory back, again and again. Runs until dropped.
pub(super) async fn keep_giving_back() {
    loop {
        time::sleep(EVERY).await;
        // an error means that the process is about to end
        let _ = spawn_blocking(give_back).await;
    }
}

/// Has the allocator give back what nobody uses and what this thread freed. It has no call for that but in C; but it does it
/// before it says that there is no memory. So it is asked for more than an address space of 64 bits has.
pub(super) fn give_back() {
    const TOO_MUCH: usize = isize::MAX as usize / 2;
    // out of the sight of the compiler, which may leave out an allocation that nobody uses
    let mut nothing = black_box(Vec::<u8>::new());
    let refused = nothing.try_reserve_exact(TOO_MUCH);
    debug_assert!(refused.is_err(), "there is more memory than any machine has");
    black_box(nothing);
}
