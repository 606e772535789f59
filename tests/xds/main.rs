//! Rules over xDS: the whole program against an ADS server that each test plays itself, call by call.
#![allow(missing_docs, unreachable_pub, reason = "a test")]
#![allow(clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]

mod changes;
mod configs;
mod defaults;
mod floods;
mod independent;
mod protocol;
mod scale;
mod server;
mod service;
mod slow;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod trouble;
