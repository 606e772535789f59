//! The library, module by module, from the outside.
#![allow(missing_docs, missing_debug_implementations, unreachable_pub, reason = "a test")]
#![allow(clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "figures that a test measured")]

mod calendar;
mod figures;
mod layering;
mod pages;
mod rules;
mod schema;
mod server;
mod settings;
mod source;
