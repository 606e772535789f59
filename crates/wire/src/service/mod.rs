//! Calls that are answered by a service of `http::Request -> http::Response`, such as those of tonic and tower.
//!
//! ```text
//!  connection ── Exchange ── Pipe ── task: the service's future, then the body of its response
//!                              └──── RequestBody, which the service reads
//! ```
//!
//! Each call has a tokio task, which ends with its [`Exchange`]. Bytes of the request wait in the pipe until the
//! service takes them, and count against the windows until then. The body of the response is polled while the peer's
//! windows have room. A [`Pool`] limits how much all calls together may keep.

mod body;
mod exchange;
mod failure;
mod pipe;
mod pool;
mod request;
mod response;
mod task;
#[cfg(test)]
mod tests;

pub use body::{RequestAborted, RequestBody};
pub use exchange::Exchange;
pub use failure::{Failure, InvalidRequest};
pub use pool::{Pool, Share};
pub use request::Authority;
