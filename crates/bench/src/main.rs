//! The entry point of the program `bench`.

use std::process::ExitCode;

// the same allocator as Tollgate, so that the bare server is a fair ceiling
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    bench::run(std::env::args_os())
}
