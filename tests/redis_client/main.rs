//! The Redis client against servers of each test's own: what it connects to, and that Redis runs a call once at most.

#![allow(missing_docs, reason = "a test")]
#![allow(clippy::panic, reason = "a test fails by panicking")]

mod calls;
mod server;
mod single;
