//! Why a call was not answered by its service.

use std::error::Error;

use http::StatusCode;

/// A request that is valid in HTTP/2, and that the crate http cannot express.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// Its method is not a token.
    #[error("its method is not a token")]
    Method,
    /// It has no path (as CONNECT has none), or one that is not in origin form, is too long, or has octets that a path
    /// has not.
    #[error("its path is not in origin form")]
    Path,
}

/// Why a call was not answered by its service, or not to the end.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The service never got it. The answer is `:status` 400.
    #[error("the http crate cannot express the request: {0}")]
    Request(#[from] InvalidRequest),
    /// The service has panicked. The answer is grpc-status 13, or RST_STREAM if a head was sent.
    #[error("the service has panicked")]
    Panicked,
    /// The runtime has dropped the task, as it does when it is shut down.
    #[error("the task of the service was dropped")]
    Dropped,
    /// The status of the response is not a final one.
    #[error("the service answered with the interim status {0}")]
    Interim(StatusCode),
    /// The body of the response has failed.
    #[error("the body of the response has failed")]
    Body(#[source] Box<dyn Error + Send + Sync>),
    /// It had to give way to others, or there was no room for it or for what is kept for it. The answer is grpc-status
    /// 8, or 12 by [`unimplemented_if_crowded`](super::Exchange::unimplemented_if_crowded).
    #[error("more is kept for the calls of services than may be")]
    Crowded,
    /// Its deadline has passed. The answer is grpc-status 4.
    #[error("its deadline has passed")]
    Deadline,
    /// The process ends. The answer is grpc-status 14.
    #[error("the process ends")]
    Closed,
    /// The request has not ended in time. The answer is grpc-status 4, or RST_STREAM if a head was sent.
    #[error("the request has not ended in time")]
    Expired,
}
