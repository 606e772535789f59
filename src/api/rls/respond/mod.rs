//! From the engine's decision to the bytes of the RLS answer: statuses, response headers, dynamic metadata.
//!
//! The bytes are those that prost makes of the same `RateLimitResponse`, without that message in between: an answer without
//! dynamic metadata allocates nothing but room in the buffer that it is appended to.

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

/// What an answer carries beside the statuses; nothing by [`Default`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseOptions {
    /// Names of the headers to add, if any are wanted.
    pub headers: Option<HeaderNames>,
    /// Whether to fill `dynamic_metadata`.
    pub dynamic_metadata: bool,
    /// The overall answer to a request that cannot be decided; `None`: an error that says why.
    pub undecidable: Option<Code>,
    /// The overall answer to a request that gives hits back where that is not allowed. Never an error, which Envoy would let
    /// pass with whatever else the request asks.
    pub refund: Option<Code>,
}

/// Names of the response headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderNames {
    /// The limit.
    pub limit: HeaderName,
    /// What is left of it.
    pub remaining: HeaderName,
    /// Seconds until it is whole again.
    pub reset: HeaderName,
}

/// The name of an HTTP header, spelt as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderName(String);

impl HeaderName {
    /// `None` if a header cannot have this name (RFC 9110, 5.6.2: it is a token).
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        (!name.is_empty() && name.bytes().all(is_token)).then(|| Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What an answer repeats of its request, kept until there is a decision.
#[derive(Debug, Default)]
pub(super) struct Asked(Option<Struct>);

impl Asked {
    /// Nothing, unless dynamic metadata is wanted.
    pub(super) fn of(request: &Request<'_>, options: &ResponseOptions) -> Self {
        Self(options.dynamic_metadata.then(|| metadata::asked(request)))
    }
}

/// Appends the answer to a request of which `asked` was kept, framed as gRPC has it.
pub(super) fn append(asked: Asked, decision: &Decision, options: &ResponseOptions, out: &mut Vec<u8>) {
    let metadata = asked.0.map(|asked| metadata::complete(asked, decision));
    append_with(metadata.as_ref(), decision, options, out);
}

fn append_with(metadata: Option<&Struct>, decision: &Decision, options: &ResponseOptions, out: &mut Vec<u8>) {
    let headers = options.headers.as_ref().and_then(|names| Headers::new(names, decision));
    let (code, statuses, headers) = (decision.code, &decision.statuses[..], headers.as_ref());
    append_frame(&Response { code, statuses, headers, metadata }, out);
}

/// Appends an answer that says nothing but this, framed as gRPC has it.
pub(super) fn append_bare(code: Code, out: &mut Vec<u8>) {
    append_frame(&Response { code, statuses: &[], headers: None, metadata: None }, out);
}

fn append_frame(response: &Response<'_>, out: &mut Vec<u8>) {
    append_prefix(response.length(), out);
    wire::append(response, out);
}
