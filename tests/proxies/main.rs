//! The whole program behind proxies that shard keys over two Redises: a limit holds, whatever shares a request with it.

#![allow(missing_docs, unreachable_pub, reason = "a test")]
#![allow(clippy::panic, reason = "a test fails by panicking")]

#[path = "../redis_client/calls.rs"]
#[allow(dead_code, reason = "shared")]
mod calls;
mod contract;
mod counts;
mod found;
mod groups;
#[path = "../redis_client/server.rs"]
#[allow(dead_code, reason = "shared")]
mod server;
mod shards;
#[path = "../contract/suite/mod.rs"]
mod suite;
#[path = "../support/mod.rs"]
mod support;
