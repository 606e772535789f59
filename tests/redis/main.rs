//! The program with a Redis, during each of its failures.
#![allow(missing_docs, missing_debug_implementations, unreachable_pub, reason = "a test")]
#![allow(clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "figures that a test measured")]

mod deny_cache;
mod faults;
mod on_purpose;
mod service;
