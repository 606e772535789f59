//! Unary gRPC over hyper's HTTP/2, in place of tonic's generated server.
//!
//! ```text
//!  head ──▶ find ──▶ receive ──▶ (inflate) ──▶ Unary::call ──▶ answer
//!    │        │         │                          │
//!    └────────┴─────────┴── refusal: counted ◀─────┘
//! ```
//!
//! A call costs one task and the maps of its answer's headers. Its own head is dropped once it is read, its message is
//! read in place where it came in one frame, and what waits for the rest of it has a budget and a deadline. Calls are
//! refused as grpc-go refuses them, so that clients of envoyproxy/ratelimit see what they know.

mod body;
mod call;
mod events;
mod frame;
mod gzip;
mod handler;
mod head;
mod part;
mod receive;
mod refusal;
mod service;
mod timeout;
mod unary;

pub use body::ResponseBody;
pub use call::Call;
pub(super) use frame::{PREFIX, append_prefix};
pub use handler::WireCall;
pub use service::{GrpcConnection, GrpcOptions, GrpcService};
pub(super) use service::{Requests, Routed};
pub use unary::{Note, Outcome, PendingAnswer, Rejection, Unary};
