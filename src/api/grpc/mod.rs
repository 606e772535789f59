//! Unary gRPC over the crate wire (`handler`) or over hyper (`call`, `receive`, `body`), in place of tonic's generated
//! server.
//!
//! ```text
//!  head ──▶ find ──▶ receive ──▶ (inflate) ──▶ Unary::call ──▶ answer
//!    │        │         │                          │
//!    └────────┴─────────┴── refusal: counted ◀─────┘
//! ```
//!
//! Over wire, a call has no task: its message is read where it lies and its answer written where it is sent. Over hyper it
//! costs one task and the maps of its answer's headers. What waits for the rest of a message has a budget and a deadline.
//! Calls are refused as grpc-go refuses them, so that clients of envoyproxy/ratelimit see what they know.

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
