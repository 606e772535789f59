//! The server, from bytes to bytes: the state machine, the driver over transports, services, and h2spec.
#![allow(clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, missing_docs, missing_debug_implementations, unreachable_pub, reason = "a test")]

mod driver;
mod h2spec;
mod long_replies;
mod machine;
mod service;
mod support;
