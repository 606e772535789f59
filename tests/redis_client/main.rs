//! The Redis client against servers of each test's own: what it connects to, and that Redis runs a call once at most.

#![allow(missing_docs, unreachable_pub, reason = "a test")]
#![allow(clippy::panic, reason = "a test fails by panicking")]

mod calls;
mod cluster;
mod log;
mod once;
mod sentinel;
mod server;
mod single;
mod tls;
