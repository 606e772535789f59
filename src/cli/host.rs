//! System settings of this process, made before anything else.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Makes them. A system that refuses leaves the process as it was, which works too.
pub fn prepare() {
    // Some hosts give every process transparent huge pages: each would make 2 MiB resident for the first byte in it, 30
    // MiB for an idle service, and more whenever the kernel collapses pages. (Where processes have to request them, the
    // allocator would do so before this: it is built not to.)
    #[cfg(target_os = "linux")]
    {
        _ = rustix::thread::disable_transparent_huge_pages(true);
    }
    // Each connection is an open file. The soft limit is often 1024, for programs that use select(2); Go's raise it, too.
    let files = getrlimit(Resource::Nofile);
    _ = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files });
}
