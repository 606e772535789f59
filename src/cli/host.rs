//! What the system is asked for, for this process as a whole and before anything else.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Asks. A system that refuses leaves the process as it was, which works too.
pub fn prepare() {
    // Some hosts give huge pages to all: each would make 2 MiB resident for the first byte in it, 30 MiB for a service at rest,
    // and more whenever the kernel gathers pages. (Where they go to those who ask, the allocator would get some before this: so
    // it is built not to ask.)
    #[cfg(target_os = "linux")]
    {
        _ = rustix::thread::disable_transparent_huge_pages(true);
    }
    // Each connection is an open file. The soft limit is often 1024, for programs that use select(2); Go's raise it, too.
    let files = getrlimit(Resource::Nofile);
    _ = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files });
}
