//! TLS on the listeners: the whole program, against clients of several kinds.

#![allow(missing_docs, unreachable_pub, reason = "a test")]
#![allow(clippy::panic, reason = "a test fails by panicking")]

mod check;
mod client;
mod clients;
mod expiry;
mod faults;
mod health;
mod in_front;
mod kinds;
mod page;
mod reload;
mod rotation;
mod secret;
mod serving;
mod start;
#[path = "../support/mod.rs"]
mod support;
