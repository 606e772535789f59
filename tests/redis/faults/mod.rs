//! The fault matrix: what Envoy's client sees, and which resources the process holds, during each kind of Redis
//! failure.
//!
//! ```text
//!  load ─HTTP─▶ Envoy ─gRPC─▶ Tollgate ─▶ (proxy) ─▶ Redis
//!  load ─────────────gRPC──────▶┘
//! ```
//!
//! A `Row` defines how one fault begins and ends, and its expected outcome. `drive` runs it under load and makes a
//! `Cell` for each failure mode; `judge` compares that with the expectation; `table` prints it. `cargo test` runs every
//! row in a short form and asserts outcomes, never durations; `bash tests/faults.sh` runs them in full and writes
//! `docs/fault-matrix.md`, in which durations are judged.

mod breaker;
mod cable;
mod cancel;
mod cancelled;
mod drive;
mod judge;
mod load;
mod matrix;
mod proxy;
mod row;
mod rows;
mod soak;
mod stage;
mod table;
mod vitals;
