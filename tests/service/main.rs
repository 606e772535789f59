//! The program as its users run it: a process with an environment.
#![allow(missing_docs, missing_debug_implementations, unreachable_pub, reason = "a test")]
#![allow(clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "figures that a test measured")]

mod bench;
mod bytes;
mod cli;
mod doctor;
mod hostile;
mod http_listeners;
mod independent;
mod log;
mod mistakes;
mod pages;
mod process;
mod readme;
mod refusals;
mod reload;
mod rls;
mod rule_defaults;
mod started;
mod tls;
mod validate_manifests;
mod xds;
