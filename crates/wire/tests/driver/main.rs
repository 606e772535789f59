//! The driver over transports that are slow, endless, or closed: what is sent is whole, what is kept is bounded, and
//! no connection is starved.
#![allow(clippy::panic, missing_docs, unreachable_pub)]

#[path = "../support/mod.rs"]
mod support;

mod ends;
mod transport;
mod turns;
