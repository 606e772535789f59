//! The program behind a real Envoy, and what users deploy around it.
#![allow(missing_docs, missing_debug_implementations, unreachable_pub, reason = "a test")]
#![allow(clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "figures that a test measured")]

mod advice;
mod drop_in;
mod extensions;
mod limits;
mod restarts;
