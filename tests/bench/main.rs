//! `tollgate bench` as a person runs it: what it counts, against services that answer well, badly or not at all.

#![allow(missing_docs, unreachable_pub, reason = "a test")]
#![allow(clippy::panic, reason = "a test fails by panicking")]

mod ceilings;
mod loops;
mod others;
mod redis;
mod run;
#[path = "../redis_client/server.rs"]
#[allow(dead_code, reason = "shared")]
mod server;
#[path = "../support/mod.rs"]
mod support;
mod trouble;
