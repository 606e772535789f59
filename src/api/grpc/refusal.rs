//! Calls that are refused before a decision, and the responses to them. The messages are those of grpc-go, which
//! clients of the reference expect.

use std::{fmt, io};

use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use tonic::Code;

use super::{Rejection, body::ResponseBody, quoted::Quoted, timeout::TimeoutError};
use crate::{api::budget::Evicted, rejections::Reason};

/// The content type of every response.
pub(super) const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// Why a call is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("Received a HEADERS frame with :method {0} which should be POST")]
    Method(Quoted),
    #[error("invalid gRPC request content-type {0}")]
    ContentType(Quoted),
    #[error("malformed grpc-timeout: {0}")]
    Timeout(TimeoutError),
    #[error("context deadline exceeded")]
    Expired,
    #[error("{0}")]
    UnknownMethod(String),
    #[error("grpc: Decompressor is not installed for grpc-encoding {0}")]
    Encoding(Quoted),
    #[error("cardinality violation: received no request message from non-client-streaming RPC")]
    NoMessage,
    #[error("cardinality violation: received multiple request messages for non-client-streaming RPC")]
    SecondMessage,
    #[error("unexpected EOF")]
    Incomplete,
    #[error("the request was not complete within {0:?}; send it faster, or in fewer pieces")]
    TooSlow(std::time::Duration),
    #[error("grpc: received unexpected payload format {0}")]
    Format(u8),
    #[error("grpc: compressed flag set with identity or empty encoding")]
    CompressedIdentity,
    #[error("grpc: received message larger than max ({length} vs. {max}, setting MAX_REQUEST_BYTES)")]
    TooLarge { length: u32, max: usize },
    #[error("grpc: received message after decompression larger than max {max} (setting MAX_REQUEST_BYTES)")]
    InflatedTooLarge { max: usize },
    #[error("grpc: failed to read decompressed data: {0}")]
    Gzip(io::Error),
    #[error(transparent)]
    OutOfMemory(#[from] Evicted),
    #[error("the connection was lost before the request was complete: {0}")]
    Broken(hyper::Error),
    #[error("the client cancelled the call before the request was complete")]
    Cancelled,
    #[error("{0}")]
    Handler(Rejection),
}

impl Refusal {
    /// The reason to count it under; `None` if it is a failure of the store, or the client ended the call.
    pub(super) fn reason(&self) -> Option<Reason> {
        Some(match self {
            Self::Method(_) => Reason::Method,
            Self::ContentType(_) => Reason::ContentType,
            Self::Timeout(_) => Reason::Timeout,
            Self::Expired => Reason::DeadlineExceeded,
            Self::UnknownMethod(_) => Reason::UnknownMethod,
            Self::Encoding(_) => Reason::Encoding,
            Self::NoMessage | Self::Incomplete | Self::TooSlow(_) => Reason::Incomplete,
            Self::SecondMessage | Self::Format(_) | Self::CompressedIdentity | Self::Gzip(_) => Reason::Malformed,
            Self::TooLarge { .. } | Self::InflatedTooLarge { .. } => Reason::MessageTooLarge,
            Self::OutOfMemory(_) => Reason::OutOfMemory,
            Self::Broken(_) | Self::Cancelled => return None,
            Self::Handler(rejection) => return rejection.reason,
        })
    }

    /// The message without anything that the client sent, for the log.
    pub(super) fn detail(&self) -> &dyn fmt::Display {
        match self {
            Self::Method(_) => &"the method is not POST",
            Self::ContentType(_) => &"the content type is not application/grpc",
            Self::Timeout(_) => &"grpc-timeout cannot be parsed",
            Self::Expired => &"the grpc-timeout elapsed before the request was complete",
            Self::UnknownMethod(_) => &"this port has no such service or method",
            Self::Encoding(_) => &"the message's compression is not gzip",
            other => other,
        }
    }

    /// The gRPC status code.
    fn code(&self) -> Code {
        match self {
            Self::ContentType(_) => Code::InvalidArgument,
            Self::Expired | Self::TooSlow(_) => Code::DeadlineExceeded,
            Self::UnknownMethod(_) | Self::Encoding(_) => Code::Unimplemented,
            Self::TooLarge { .. } | Self::InflatedTooLarge { .. } | Self::OutOfMemory(_) => Code::ResourceExhausted,
            Self::Handler(rejection) => rejection.code,
            Self::Cancelled => Code::Cancelled,
            Self::Method(_)
            | Self::Timeout(_)
            | Self::NoMessage
            | Self::SecondMessage
            | Self::Incomplete
            | Self::Format(_)
            | Self::CompressedIdentity
            | Self::Gzip(_)
            | Self::Broken(_) => Code::Internal,
        }
    }

    fn http_status(&self) -> StatusCode {
        match self {
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Timeout(_) => StatusCode::BAD_REQUEST,
            _ => StatusCode::OK,
        }
    }

    /// The response over hyper: headers without a body.
    pub(super) fn response(&self) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::Empty);
        *response.status_mut() = self.http_status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, GRPC);
        status(headers, self.code(), &self.to_string());
        if matches!(self, Self::Encoding(_)) {
            headers.insert("grpc-accept-encoding", HeaderValue::from_static("gzip"));
        }
        response
    }
}

impl Refusal {
    /// The response's headers over the crate wire.
    pub(super) fn block(&self) -> wire::Block {
        let http_status = self.http_status();
        let code = (self.code() as i32).to_string();
        let message = percent_encoded(&self.to_string());
        let encoding: Option<(&[u8], &[u8])> =
            matches!(self, Self::Encoding(_)).then_some((b"grpc-accept-encoding", b"gzip"));
        let fields: [(&[u8], &[u8]); 4] = [
            (b":status", http_status.as_str().as_bytes()),
            (b"content-type", b"application/grpc"),
            (b"grpc-status", code.as_bytes()),
            (b"grpc-message", message.as_bytes()),
        ];
        wire::Block::new(fields.into_iter().chain(encoding))
    }
}

/// Writes `grpc-status` and `grpc-message`.
fn status(headers: &mut HeaderMap, code: Code, message: &str) {
    headers.insert("grpc-status", HeaderValue::from(code as i32));
    // not an error: a percent-encoded text is printable ASCII
    if let Ok(message) = HeaderValue::try_from(percent_encoded(message)) {
        headers.insert("grpc-message", message);
    }
}

/// Percent-encodes a message as gRPC requires: `%`, and all bytes that are not printable ASCII.
fn percent_encoded(message: &str) -> String {
    use fmt::Write as _;

    let mut encoded = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => {
                // writing to a String does not fail
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_percent_encoded() {
        assert_eq!(percent_encoded("50 % \u{a0}\n~"), "50 %25 %C2%A0%0A~");
    }

    #[test]
    fn text_from_a_caller_is_truncated_in_the_message_and_never_logged() {
        let long = Refusal::ContentType(Quoted::new(&[b'x'; 100_000]));
        assert!(long.to_string().len() < 400);
        assert!(!long.detail().to_string().contains('x'));
    }

    #[test]
    fn a_response_has_status_and_message() {
        let response = Refusal::Method(Quoted::new(b"GET")).response();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        assert_eq!((header("content-type"), header("grpc-status")), (Some("application/grpc"), Some("13")));
        let message = "Received a HEADERS frame with :method \"GET\" which should be POST";
        assert_eq!(header("grpc-message"), Some(message));
    }
}
