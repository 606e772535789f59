//! How a request ended: what its response says, or why there is none.

use std::fmt;

use bytes::Bytes;
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitResponse, rate_limit_response::Code};
use h2::Reason;
use prost::Message as _;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// May pass.
    Ok,
    /// Over the limit.
    OverLimit,
    /// Answered with another code.
    Unknown,
    /// Not answered.
    Failed(Trouble),
}

/// Why a request was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Trouble {
    /// A gRPC status other than OK.
    #[error("gRPC {}", status_name(*.0).map_or_else(|| format!("status {}", .0), str::to_owned))]
    Status(u16),
    /// An HTTP status other than 200.
    #[error("HTTP {0}")]
    Http(u16),
    /// RST_STREAM.
    #[error("stream reset: {0}")]
    Reset(Reset),
    /// GOAWAY came, and the server had not processed it.
    #[error("connection going away")]
    GoneAway,
    /// The connection ended.
    #[error("connection lost")]
    ConnectionLost,
    /// No answer in time.
    #[error("timed out")]
    TimedOut,
    /// It was due, and no connection or stream was free in time.
    #[error("not sent in time")]
    NotSent,
    /// What came is not a response to a rate limit request.
    #[error("malformed answer")]
    Malformed,
}

/// How a call ended, as far as HTTP/2 goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// With a response.
    Response(Response),
    /// The server reset its stream.
    Reset(Reset),
    /// The server sent GOAWAY and had not processed it.
    GoneAway,
    /// The connection broke, and how.
    Lost(String),
    /// No response came in time.
    TimedOut,
}

/// A whole response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Response {
    /// Of HTTP.
    pub(crate) http_status: u16,
    /// `grpc-status`, if it was a number.
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
    /// Its name in the standard.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Reason::from(self.0))
    }
}

impl Reply {
    /// What it means.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Response(response) => response.outcome(),
            Self::Reset(reset) => Outcome::Failed(Trouble::Reset(*reset)),
            Self::GoneAway => Outcome::Failed(Trouble::GoneAway),
            Self::Lost(_) => Outcome::Failed(Trouble::ConnectionLost),
            Self::TimedOut => Outcome::Failed(Trouble::TimedOut),
        }
    }

    /// The server's words, or those of the connection that broke.
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

/// The overall code of the one gRPC message in a body, which must be uncompressed. A code that is not in the protocol
/// counts as `Unknown`.
fn overall_code(body: &[u8]) -> Option<Code> {
    let (head, message) = body.split_first_chunk::<5>()?;
    let [0, length @ ..] = head else { return None };
    if message.len() != u32::from_be_bytes(*length) as usize {
        return None;
    }
    let answer = RateLimitResponse::decode(message).ok()?;
    Some(Code::try_from(answer.overall_code).unwrap_or(Code::Unknown))
}

/// As the gRPC documentation spells it.
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
    fn what_is_no_answer_has_a_name() {
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
