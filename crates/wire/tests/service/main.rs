//! Services behind a whole server, with the crate h2 as their client.

#![allow(clippy::panic, reason = "a test fails by panicking")]

mod calls;
mod deadlines;
mod flow;
mod server;
