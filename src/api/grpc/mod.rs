//! Unary gRPC over the crate wire (`handler`) or over hyper (`call`, `receive`, `body`), which replaces tonic's
//! generated server.
//!
//! ```text
//!  head ──▶ find ──▶ receive ──▶ (inflate) ──▶ Unary::call ──▶ answer
//!    │        │         │                          │
//!    └────────┴─────────┴── refusal: counted ◀─────┘
//! ```
//!
//! Over wire, a call has no task of its own: its message is decoded in the read buffer and its answer is written to the
//! write buffer. Over hyper it costs a task, and header maps for its response. Incomplete messages have a memory budget
//! and a deadline. Calls are refused with the statuses and messages of grpc-go, which clients of envoyproxy/ratelimit
//! expect.

mod body;
mod call;
mod events;
mod frame;
mod gzip;
mod handler;
mod head;
mod methods;
mod part;
mod quoted;
mod receive;
mod refusal;
mod service;
mod timeout;
mod unary;

pub use body::ResponseBody;
pub use call::Call;
pub(super) use frame::{PREFIX, append_prefix};
pub use handler::WireCall;
pub(super) use methods::unary_methods;
pub use service::{GrpcConnection, GrpcOptions, GrpcService};
pub(super) use service::{Requests, Routed};
pub use unary::{Note, Outcome, PendingAnswer, Rejection, Unary};
