//! What the system is asked for, for this process as a whole and before anything else.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Asks. A system that refuses leaves the process as it was, which works too.
pub(super) fn prepare() {
    // The allocator asks for huge pages and some hosts give them to all: each would make 2 MiB resident for the first byte in
    // it, 30 MiB for a service at rest, and more whenever the kernel gathers pages.
    #[cfg(target_os = "linux")]
    {
        _ = rustix::thread::disable_transparent_huge_pages(true);
    }
    // Each connection is an open file. The soft limit is often 1024, for programs that use select(2); Go's raise it, too.
    let files = getrlimit(Resource::Nofile);
    _ = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files });
}
