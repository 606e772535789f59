//! The Redis client with servers of each test: what it connects to, and that Redis runs a call at most once.

pub mod calls;
mod cluster;
mod fake;
mod faults;
mod log;
mod once;
mod sentinel;
mod single;
mod tls;
