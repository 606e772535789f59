//! Stores and algorithms: the contract of all stores, models, and the Redis client and store with real servers.
#![allow(missing_docs, missing_debug_implementations, unreachable_pub, reason = "a test")]
#![allow(clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "figures that a test measured")]

mod client;
mod fleet;
mod halves;
mod model;
mod parity;
mod proxies;
mod redis;
