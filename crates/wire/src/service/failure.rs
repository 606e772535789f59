//! Why a service has not answered a call.

use std::error::Error;

use http::StatusCode;

/// A request that is valid in HTTP/2 but that the crate http cannot represent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// The method is not a token.
    #[error("its method is not a token")]
    Method,
    /// There is no path (as in CONNECT), or it is not in origin form, is too long, or has octets that paths do not
    /// have.
    #[error("its path is not in origin form")]
    Path,
}

/// Why a service has not answered a call, or not completely.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The service never received the request. The response is `:status` 400.
    #[error("the http crate cannot express the request: {0}")]
    Request(#[from] InvalidRequest),
    /// The service has panicked. The response is grpc-status 13, or RST_STREAM if a head was sent.
    #[error("the service has panicked")]
    Panicked,
    /// The runtime has dropped the task, for example during shutdown.
    #[error("the task of the service was dropped")]
    Dropped,
    /// The status of the response is an interim one.
    #[error("the service answered with the interim status {0}")]
    Interim(StatusCode),
    /// The body of the response has failed.
    #[error("the body of the response has failed")]
    Body(#[source] Box<dyn Error + Send + Sync>),
    /// The call was evicted, or there was no slot for it or no memory for its data. The response is grpc-status 8, or
    /// 12 after [`unimplemented_if_crowded`](super::Exchange::unimplemented_if_crowded).
    #[error("more is kept for the calls of services than may be")]
    Crowded,
    /// The deadline has passed. The response is grpc-status 4.
    #[error("its deadline has passed")]
    Deadline,
    /// The process is shutting down. The response is grpc-status 14.
    #[error("the process ends")]
    Closed,
    /// The request has not ended in time. The response is grpc-status 4, or RST_STREAM if a head was sent.
    #[error("the request has not ended in time")]
    Expired,
}
