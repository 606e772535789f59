//! The whole program on Redis: what it counts and where, what it says of itself, and what it keeps to itself.

#![allow(missing_docs, unreachable_pub, reason = "a test")]
#![allow(clippy::panic, reason = "a test fails by panicking")]

mod acl;
#[path = "../redis_client/calls.rs"]
#[allow(dead_code, reason = "shared")]
mod calls;
#[path = "../redis_client/cluster_server.rs"]
#[allow(dead_code, reason = "shared")]
mod cluster_server;
mod counts;
mod example;
mod failure;
mod late_costs;
mod ready;
mod secrets;
#[path = "../redis_client/sentinel_group.rs"]
#[allow(dead_code, reason = "shared")]
mod sentinel_group;
#[path = "../redis_client/server.rs"]
#[allow(dead_code, reason = "shared")]
mod server;
mod service;
mod shutdown;
mod starts;
mod startup;
#[path = "../support/mod.rs"]
mod support;
mod topologies;
mod urls;
mod wrong_replies;
