//! Operating system settings of this process, changed before anything else.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Disables transparent huge pages and raises the limit on open files. Errors are ignored: the process works without
/// either.
pub fn prepare() {
    // Some hosts enable transparent huge pages for every process. Each makes 2 MiB resident for its first byte: 30 MiB
    // for an idle service, and more whenever the kernel collapses pages. (Where a process must request them, the
    // allocator would have done so before this; it is built not to.)
    #[cfg(target_os = "linux")]
    {
        _ = rustix::thread::disable_transparent_huge_pages(true);
    }
    // Each connection is an open file. The soft limit is often 1024, for programs that use select(2). Go programs raise
    // it too.
    let files = getrlimit(Resource::Nofile);
    _ = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files });
}
