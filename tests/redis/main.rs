//! The Redis store against real servers: the contract, what Redis is asked, and what its trouble does to the counts.

#![allow(missing_docs, unreachable_pub, reason = "a test")]
#![allow(clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "figures that a test measured")]

mod batching;
#[path = "../redis_client/calls.rs"]
#[allow(dead_code, reason = "shared")]
mod calls;
#[path = "../redis_client/cluster_server.rs"]
#[allow(dead_code, reason = "shared")]
mod cluster_server;
mod contract;
mod failover;
mod faults;
mod halves;
mod hygiene;
mod load;
#[path = "../redis_client/sentinel_group.rs"]
#[allow(dead_code, reason = "shared")]
mod sentinel_group;
#[path = "../redis_client/server.rs"]
#[allow(dead_code, reason = "shared")]
mod server;
#[path = "../halves/side.rs"]
#[allow(dead_code, reason = "shared")]
mod side;
mod stores;
#[path = "../contract/suite/mod.rs"]
mod suite;
#[path = "../halves/world/mod.rs"]
#[allow(dead_code, reason = "shared")]
mod world;
