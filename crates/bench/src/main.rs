//! Starts the program: arguments in, exit code out.

use std::process::ExitCode;

// as Tollgate has it, so that the bare server is a fair ceiling
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    bench::run(std::env::args_os())
}
