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
