//! Exchanges whose connection is simulated by the test: exact frames, and exact steps.

#![allow(clippy::panic, reason = "a test fails by panicking")]

mod ends;
mod pool;
mod requests;
mod responses;
mod rig;
