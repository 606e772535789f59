//! `envoy.service.ratelimit.v3.RateLimitService`: from the bytes of a request to the bytes of its answer.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use prost::Message as _;
use tonic::Code;

use super::{
    ResponseOptions,
    convert::{self, ConvertError},
    grpc::{Answer, Rejection, Reply, Unary},
    respond,
};
use crate::{
    engine::{DecideError, Engine},
    rejections::Reason,
};

/// Answers `ShouldRateLimit`.
#[derive(Clone, Debug)]
pub struct RlsService {
    engine: Engine,
    options: Arc<ResponseOptions>,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// Its bytes are no request.
    #[error("grpc: failed to unmarshal the received message: {0}")]
    Decode(#[from] prost::DecodeError),
    /// It says something impossible.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// It cannot be decided.
    #[error(transparent)]
    Decide(#[from] DecideError),
}

impl CallError {
    /// How it is counted; `None` where the store is at fault, which has metrics of its own.
    pub(super) fn reason(&self) -> Option<Reason> {
        Some(match self {
            Self::Decode(_) => Reason::Malformed,
            Self::Convert(ConvertError::OverrideUnit { .. }) => Reason::OverrideUnit,
            Self::Decide(DecideError::NoDomain) => Reason::NoDomain,
            Self::Decide(DecideError::NoDescriptors) => Reason::NoDescriptors,
            Self::Decide(DecideError::TooManyDescriptors { .. }) => Reason::TooManyDescriptors,
            Self::Decide(DecideError::TooManyEntries { .. }) => Reason::TooManyEntries,
            Self::Decide(DecideError::NoRules) => Reason::NoRules,
            Self::Decide(DecideError::Store(_)) => return None,
        })
    }

    fn code(&self) -> Code {
        match self {
            Self::Decode(_) => Code::Internal,
            Self::Decide(DecideError::NoRules | DecideError::Store(_)) => Code::Unavailable,
            Self::Convert(_) | Self::Decide(_) => Code::InvalidArgument,
        }
    }
}

impl From<CallError> for Rejection {
    fn from(error: CallError) -> Self {
        Self { code: error.code(), message: error.to_string(), reason: error.reason() }
    }
}

impl RlsService {
    /// A service that asks `engine`.
    #[must_use]
    pub fn new(engine: Engine, options: Arc<ResponseOptions>) -> Self {
        Self { engine, options }
    }

    /// Answers one message. `deadline` is when its caller no longer gains by an answer.
    pub(super) async fn answer(
        &self,
        message: &RateLimitRequest,
        deadline: Option<Instant>,
    ) -> Result<RateLimitResponse, CallError> {
        let request = convert::request(message).inspect_err(|_| self.engine.unreadable())?;
        let decision = self.engine.decide(&request, deadline).await?;
        Ok(respond::response(message, &decision, &self.options))
    }

    /// The answer to a request that cannot be decided, if it is not an error.
    pub(super) fn undecidable(&self) -> Option<RateLimitResponse> {
        let code = respond::code(self.options.undecidable?);
        Some(RateLimitResponse { overall_code: code, ..RateLimitResponse::default() })
    }
}

impl Unary for RlsService {
    fn call(self: Arc<Self>, message: Bytes, deadline: Option<Instant>) -> Reply {
        let message = match RateLimitRequest::decode(&message[..]) {
            Ok(message) => message,
            Err(error) => return Reply::Ready(Err(CallError::from(error).into())),
        };
        Reply::Pending(Box::pin(async move {
            let answer = self.answer(&message, deadline).await?;
            Ok(Answer::encode(&answer))
        }))
    }

    fn undecidable(&self) -> Option<Answer> {
        Self::undecidable(self).map(|answer| Answer::encode(&answer))
    }
}
