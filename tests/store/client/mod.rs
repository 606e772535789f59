//! The Redis client against servers of each test's own: what it connects to, and that Redis runs a call once at most.

pub mod calls;
mod cluster;
mod fake;
mod faults;
mod log;
mod once;
mod sentinel;
mod single;
mod tls;
