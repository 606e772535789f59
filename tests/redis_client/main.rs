//! The Redis client against servers of each test's own: what it connects to, and that Redis runs a call once at most.

#![allow(missing_docs, unreachable_pub, reason = "a test")]
#![allow(clippy::panic, reason = "a test fails by panicking")]

mod calls;
#[path = "../support/certificates.rs"]
#[allow(dead_code, reason = "shared")]
mod certificates;
mod cluster;
#[allow(dead_code, reason = "shared")]
mod cluster_server;
mod fake;
mod faults;
mod log;
mod once;
mod sentinel;
mod sentinel_group;
#[allow(dead_code, reason = "shared")]
mod server;
mod single;
mod tls;
