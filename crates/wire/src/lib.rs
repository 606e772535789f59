//! An HTTP/2 server (RFC 9113) for small unary calls: gRPC as a rate limit service receives it.
//!
//! ```text
//!  bytes ─▶ Connection (frames, HPACK, streams, windows, bounds) ─▶ Handler ─▶ Reply ─▶ bytes
//!            └ no I/O, no tasks, no clock
//! ```
//!
//! [`Connection`] is a state machine without I/O. It borrows the buffers of the worker that runs it, and keeps only
//! what is incomplete. What a [`Handler`] answers immediately is written directly into the send buffer. Calls that are
//! answered by services of `http::Request -> http::Response` have a task each: see [`service`].
//!
//! It implements HTTP/2 and nothing above it: no protobuf, no rate limits.

mod allowance;
mod clock;
mod closed;
mod config;
mod connection;
mod driver;
mod error_code;
mod fields;
mod frame;
mod handler;
pub mod hpack;
mod pace;
mod reply;
pub mod service;
mod settings;
mod streams;
mod window;

pub use config::{Config, HeldReplies};
pub use connection::{Connection, Scratch, Turn};
pub use driver::{Buffers, Served};
pub use error_code::ErrorCode;
pub use fields::Head;
pub use handler::{Event, Handler, Opened, Progress};
pub use hpack::Header;
pub use reply::{Block, Draft, Reply};
