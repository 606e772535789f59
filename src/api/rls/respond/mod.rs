//! Encodes the engine's decision as an RLS answer: statuses, response headers, dynamic metadata.
//!
//! The bytes equal prost's encoding of the same `RateLimitResponse`, but no such message is built: an answer without
//! dynamic metadata allocates nothing except in the buffer that it is appended to.

mod message;
mod metadata;
#[cfg(test)]
mod tests;
mod wire;

use envoy_types::pb::google::protobuf::Struct;

use self::{
    message::{Headers, Response},
    wire::Message as _,
};
use limiter::domain::{Code, Decision, Request};

use crate::api::grpc::append_prefix;

/// What an answer contains in addition to the statuses; nothing by [`Default`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseOptions {
    /// The names of the headers to add; `None`: no headers.
    pub headers: Option<HeaderNames>,
    /// Whether to fill `dynamic_metadata`.
    pub dynamic_metadata: bool,
    /// The overall answer to a request that cannot be decided; `None`: an error with the reason.
    pub undecidable: Option<Code>,
    /// The overall answer to a request that gives hits back although that is not allowed. Never an error, because Envoy
    /// would let the whole request pass.
    pub refund: Option<Code>,
}

/// Names of the response headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderNames {
    /// The header with the limit.
    pub limit: HeaderName,
    /// The header with the remaining hits.
    pub remaining: HeaderName,
    /// The header with the seconds until the reset.
    pub reset: HeaderName,
}

/// A valid name of an HTTP header, in its original spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderName(String);

impl HeaderName {
    /// `None` if the name is not a token (RFC 9110, 5.6.2).
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        (!name.is_empty() && name.bytes().all(is_token)).then(|| Self(name.to_owned()))
    }

    /// The name in its original spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The part of the request that the answer repeats, kept until there is a decision.
#[derive(Debug, Default)]
pub(super) struct EchoedRequest(Option<Struct>);

impl EchoedRequest {
    /// Empty unless dynamic metadata is enabled.
    pub(super) fn of(request: &Request<'_>, options: &ResponseOptions) -> Self {
        Self(options.dynamic_metadata.then(|| metadata::echoed(request)))
    }
}

/// Appends an answer as a gRPC frame. `echoed`: the part of the request that it repeats.
pub(super) fn append(echoed: EchoedRequest, decision: &Decision, options: &ResponseOptions, out: &mut Vec<u8>) {
    let metadata = echoed.0.map(|echoed| metadata::complete(echoed, decision));
    append_with(metadata.as_ref(), decision, options, out);
}

fn append_with(metadata: Option<&Struct>, decision: &Decision, options: &ResponseOptions, out: &mut Vec<u8>) {
    let headers = options.headers.as_ref().and_then(|names| Headers::new(names, decision));
    let (code, statuses, headers) = (decision.code, &decision.statuses[..], headers.as_ref());
    append_frame(&Response { code, statuses, headers, metadata }, out);
}

/// Appends an answer with only an overall code, as a gRPC frame.
pub(super) fn append_bare(code: Code, out: &mut Vec<u8>) {
    append_frame(&Response { code, statuses: &[], headers: None, metadata: None }, out);
}

fn append_frame(response: &Response<'_>, out: &mut Vec<u8>) {
    append_prefix(response.length(), out);
    wire::append(response, out);
}
