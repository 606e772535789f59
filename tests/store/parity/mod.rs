//! The Redis script against `crates/limiter/src/algorithm`, on a real server that each test starts for itself: bit for
//! bit equal on random traces, and what it does where a Redis can refuse.

mod behaviour;
mod calendar;
mod early;
mod hits;
mod lives;
mod refusals;
mod server;
mod traces;
