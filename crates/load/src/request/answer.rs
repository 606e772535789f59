//! How a request ended: the code of its response, or why there is none.

use std::fmt;

use bytes::Bytes;
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitResponse, rate_limit_response::Code};
use h2::Reason;
use prost::Message as _;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The request may pass.
    Ok,
    /// The request is over the limit.
    OverLimit,
    /// The response has another code.
    Unknown,
    /// There is no valid response.
    Failed(Trouble),
}

/// Why a request has no valid response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Trouble {
    /// A gRPC status other than OK.
    #[error("gRPC {}", status_name(*.0).map_or_else(|| format!("status {}", .0), str::to_owned))]
    Status(u16),
    /// An HTTP status other than 200.
    #[error("HTTP {0}")]
    Http(u16),
    /// The server sent RST_STREAM.
    #[error("stream reset: {0}")]
    Reset(Reset),
    /// The server sent GOAWAY and had not processed the request.
    #[error("connection going away")]
    GoneAway,
    /// The connection broke.
    #[error("connection lost")]
    ConnectionLost,
    /// There was no response within the timeout.
    #[error("timed out")]
    TimedOut,
    /// The request was due, but no connection or stream was free in time.
    #[error("not sent in time")]
    NotSent,
    /// The response is not that of a rate limit service.
    #[error("malformed answer")]
    Malformed,
}

/// How a call ended at the level of HTTP/2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A response was received.
    Response(Response),
    /// The server reset its stream.
    Reset(Reset),
    /// The server sent GOAWAY and had not processed the call.
    GoneAway,
    /// The connection broke; the text is the error.
    Lost(String),
    /// There was no response within the timeout.
    TimedOut,
}

/// A complete response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Response {
    /// The HTTP status.
    pub(crate) http_status: u16,
    /// `grpc-status`, if it is a number.
    pub(crate) grpc_status: Option<u16>,
    /// `grpc-message`, as sent.
    pub(crate) message: String,
    /// The payload of all DATA frames.
    pub(crate) body: Bytes,
}

/// The error code of a RST_STREAM (RFC 9113, section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reset(u32);

impl From<Reason> for Reset {
    fn from(reason: Reason) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for Reset {
    /// The name in the RFC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Reason::from(self.0))
    }
}

impl Reply {
    /// What the reply means for the request.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Response(response) => response.outcome(),
            Self::Reset(reset) => Outcome::Failed(Trouble::Reset(*reset)),
            Self::GoneAway => Outcome::Failed(Trouble::GoneAway),
            Self::Lost(_) => Outcome::Failed(Trouble::ConnectionLost),
            Self::TimedOut => Outcome::Failed(Trouble::TimedOut),
        }
    }

    /// The server's message, or the error of the connection.
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Response(response) => &response.message,
            Self::Lost(why) => why,
            Self::Reset(_) | Self::GoneAway | Self::TimedOut => "",
        }
    }
}

impl Response {
    fn outcome(&self) -> Outcome {
        match (self.http_status, self.grpc_status) {
            (200, Some(0)) => match overall_code(&self.body) {
                Some(Code::Ok) => Outcome::Ok,
                Some(Code::OverLimit) => Outcome::OverLimit,
                Some(Code::Unknown) => Outcome::Unknown,
                None => Outcome::Failed(Trouble::Malformed),
            },
            (200, Some(status)) => Outcome::Failed(Trouble::Status(status)),
            (200, None) => Outcome::Failed(Trouble::Malformed),
            (status, _) => Outcome::Failed(Trouble::Http(status)),
        }
    }
}

/// The overall code in a body of one gRPC message, which must not be compressed. A code that the protocol does not
/// define counts as `Unknown`.
fn overall_code(body: &[u8]) -> Option<Code> {
    let (head, message) = body.split_first_chunk::<5>()?;
    let [0, length @ ..] = head else { return None };
    if message.len() != u32::from_be_bytes(*length) as usize {
        return None;
    }
    let answer = RateLimitResponse::decode(message).ok()?;
    Some(Code::try_from(answer.overall_code).unwrap_or(Code::Unknown))
}

/// The name of a status code in the gRPC documentation.
fn status_name(status: u16) -> Option<&'static str> {
    Some(match status {
        0 => "OK",
        1 => "CANCELLED",
        2 => "UNKNOWN",
        3 => "INVALID_ARGUMENT",
        4 => "DEADLINE_EXCEEDED",
        5 => "NOT_FOUND",
        6 => "ALREADY_EXISTS",
        7 => "PERMISSION_DENIED",
        8 => "RESOURCE_EXHAUSTED",
        9 => "FAILED_PRECONDITION",
        10 => "ABORTED",
        11 => "OUT_OF_RANGE",
        12 => "UNIMPLEMENTED",
        13 => "INTERNAL",
        14 => "UNAVAILABLE",
        15 => "DATA_LOSS",
        16 => "UNAUTHENTICATED",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::{DescriptorStatus, RateLimit};

    use super::*;

    fn framed(message: &[u8]) -> Vec<u8> {
        [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat()
    }

    fn response(http_status: u16, grpc_status: Option<u16>, body: &[u8]) -> Outcome {
        let body = Bytes::copy_from_slice(body);
        Reply::Response(Response { http_status, grpc_status, message: String::new(), body }).outcome()
    }

    #[test]
    fn the_overall_code_counts() {
        for (code, expected) in
            [(Code::Ok, Outcome::Ok), (Code::OverLimit, Outcome::OverLimit), (Code::Unknown, Outcome::Unknown)]
        {
            let limit = RateLimit { name: "n".repeat(300), requests_per_unit: 7, ..RateLimit::default() };
            let other = DescriptorStatus {
                code: Code::OverLimit.into(),
                current_limit: Some(limit),
                ..DescriptorStatus::default()
            };
            let answer = RateLimitResponse {
                overall_code: code.into(),
                statuses: vec![other; 3],
                raw_body: vec![1, 2, 3],
                ..RateLimitResponse::default()
            };
            assert_eq!(response(200, Some(0), &framed(&answer.encode_to_vec())), expected);
        }
        // field 15 as fixed64, field 14 as fixed32, field 1
        let odd = [&[0x79, 0, 0, 0, 0, 0, 0, 0, 0, 0x75, 0, 0, 0, 0, 8, 1][..]].concat();
        assert_eq!(response(200, Some(0), &framed(&odd)), Outcome::Ok);
    }

    #[test]
    fn each_kind_of_failure_has_a_name() {
        for (found, name) in [
            (response(200, Some(14), b""), "gRPC UNAVAILABLE"),
            (response(200, Some(99), b""), "gRPC status 99"),
            (response(503, None, b""), "HTTP 503"),
            (response(404, Some(0), b""), "HTTP 404"),
            (response(200, None, b""), "malformed answer"),
            (response(200, Some(0), b""), "malformed answer"),
            (response(200, Some(0), &framed(&[8, 1])[..6]), "malformed answer"),
            (response(200, Some(0), &framed(&[8])), "malformed answer"),
            (response(200, Some(0), &framed(&[0x12, 99])), "malformed answer"),
            (response(200, Some(0), &[1, 0, 0, 0, 2, 8, 1]), "malformed answer"),
            (Reply::GoneAway.outcome(), "connection going away"),
            (Reply::Lost("broken pipe".to_owned()).outcome(), "connection lost"),
            (Reply::TimedOut.outcome(), "timed out"),
            (Reply::Reset(Reason::REFUSED_STREAM.into()).outcome(), "stream reset: REFUSED_STREAM"),
        ] {
            let Outcome::Failed(trouble) = found else { unreachable!("{found:?} is not {name}") };
            assert_eq!(trouble.to_string(), name);
        }
    }
}
