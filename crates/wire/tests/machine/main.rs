//! The state machine, fed with bytes: the rules of RFC 9113, flow control, bounds, and the graceful end.
#![allow(clippy::panic, missing_docs, unreachable_pub)]

#[path = "../support/mod.rs"]
mod support;

mod credit;
mod deadlines;
mod floods;
mod leaving;
mod polling;
mod properties;
mod replies;
mod rules;
