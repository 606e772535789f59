//! The Redis script compared with `crates/limiter/src/algorithm`, on a real server for each test: bit for bit equal on
//! random traces, and its behaviour when Redis rejects commands.

mod behaviour;
mod calendar;
mod early;
mod hits;
mod lives;
mod named;
mod refusals;
mod server;
mod traces;
