//! The fault matrix: what Envoy's client sees, and what the process holds, while Redis is in each kind of trouble.
//!
//! ```text
//!  load ─HTTP─▶ Envoy ─gRPC─▶ Tollgate ─▶ (proxy) ─▶ Redis
//!  load ─────────────gRPC──────▶┘
//! ```
//!
//! A `Row` says how one fault begins and ends and what is to come of it. `drive` runs it under load and makes a `Cell` for
//! each failure mode; `judge` holds that against what the row says; `table` prints it. `cargo test` runs every row in a
//! short form and asserts outcomes, never durations; `bash tests/faults.sh` runs them in full and writes
//! `docs/fault-matrix.md`, where durations are judged.

#![allow(missing_docs, unreachable_pub, reason = "a test")]
#![allow(clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "figures that a test measured")]

mod breaker;
mod cable;
mod cancel;
mod cancelled;
mod drive;
#[path = "../http2/frames.rs"]
#[allow(dead_code, reason = "shared")]
mod frames;
mod judge;
mod load;
mod matrix;
mod proxy;
mod row;
mod rows;
#[path = "../redis_client/server.rs"]
#[allow(dead_code, reason = "shared")]
mod server;
mod soak;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod vitals;
