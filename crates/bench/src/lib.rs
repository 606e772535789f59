//! Measures the promised performance of Tollgate.
//!
//! ```text
//!  targets ─▶ cases (contenders, claims) ─▶ contest (turns: load, redis) ─▶ sample (medians, ratios) ─▶ rows
//!  fleet, calls ─▶ redis (nodes, drive: plain clients, stats) + observer (CPU of all sides) ─▶ sample ─▶ table
//!  compare ─▶ contest ─▶ report           bare: tonic alone, the ceiling of a service over tonic
//!  hot_path ─▶ benches/micro (time), benches/instructions, tests/allocations       benches/scale ─▶ plot
//! ```
//!
//! The program `bench` has the commands; `run.sh` runs everything for docs/performance.md.

mod bare;
mod calls;
mod commands;
mod compare;
mod contest;
mod cpu;
mod error;
mod fleet;
mod folder;
pub mod hot_path;
mod interrupt;
pub mod memory;
mod meter;
mod observer;
pub mod plot;
pub mod process;
mod redis;
mod sample;
mod targets;

pub use commands::run;
