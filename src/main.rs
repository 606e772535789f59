//! Starts Tollgate: arguments in, exit code out.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The allocator asks for huge pages and some hosts give them to all: each would make 2 MiB resident for the first byte
    // in it, 30 MiB for a service at rest, and more whenever the kernel gathers pages. A kernel that refuses changes nothing
    // but that.
    _ = rustix::thread::disable_transparent_huge_pages(true);
    tollgate::cli::run(std::env::args_os())
}
