//! `envoy.service.ratelimit.v3.RateLimitService`: from the bytes of a request to the bytes of its answer.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use envoy_types::pb::envoy::service::ratelimit::v3::RateLimitResponse;
use tonic::Code;

use super::{
    ResponseOptions,
    decode::{DecodeError, decode},
    grpc::{Answer, Note, Rejection, Reply, Unary},
    respond::{self, Asked},
};
use crate::{
    engine::{self, DecideError, Engine},
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
    Malformed(DecodeError),
    /// It cannot be decided.
    #[error(transparent)]
    Decide(#[from] DecideError),
}

impl CallError {
    /// How it is counted; `None` where the store is at fault, which has metrics of its own.
    pub(super) fn reason(&self) -> Option<Reason> {
        Some(match self {
            Self::Malformed(_) => Reason::Malformed,
            Self::Decide(DecideError::OverrideUnit { .. }) => Reason::OverrideUnit,
            Self::Decide(DecideError::NoDomain) => Reason::NoDomain,
            Self::Decide(DecideError::NoDescriptors) => Reason::NoDescriptors,
            Self::Decide(DecideError::TooManyDescriptors { .. }) => Reason::TooManyDescriptors,
            Self::Decide(DecideError::TooManyEntries { .. }) => Reason::TooManyEntries,
            Self::Decide(DecideError::Refund { .. }) => Reason::Refund,
            Self::Decide(DecideError::NoRules) => Reason::NoRules,
            Self::Decide(DecideError::Store(_)) => return None,
        })
    }

    fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => Code::Internal,
            Self::Decide(DecideError::NoRules | DecideError::Store(_)) => Code::Unavailable,
            Self::Decide(_) => Code::InvalidArgument,
        }
    }
}

impl From<DecodeError> for CallError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Malformed(_) => Self::Malformed(error),
            DecodeError::TooMany(too_many) => Self::Decide(too_many),
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

    /// Begins to answer an encoded `RateLimitRequest`, without waiting. `deadline` is when its caller no longer gains by an answer.
    pub(super) fn begin(&self, message: &[u8], deadline: Option<Instant>) -> Begun {
        let request = match decode(message, self.engine.limits()) {
            Ok(request) => request,
            Err(error) => {
                // what is no message has not come as far as the service of the reference either
                if !matches!(error, DecodeError::Malformed(_)) {
                    self.engine.unreadable();
                }
                return Begun::Answered(Err(error.into()));
            }
        };
        match self.engine.begin(&request, deadline) {
            engine::Begun::Decided(Ok(decision)) => {
                let response = respond::response(Asked::of(&request, &self.options), &decision, &self.options);
                let note = decision.unknown_domain.then_some(Note::UnknownDomain);
                Begun::Answered(Ok((response, note)))
            }
            engine::Begun::Decided(Err(error)) => Begun::Answered(Err(error.into())),
            engine::Begun::Pending(decision) => Begun::Pending(Pending {
                decision,
                asked: Some(Asked::of(&request, &self.options)),
                options: Arc::clone(&self.options),
            }),
        }
    }

    /// The answer to a request that is rejected for this reason, if it is not an error.
    pub(super) fn undecidable(&self, reason: Reason) -> Option<RateLimitResponse> {
        let answer = if reason == Reason::Refund { self.options.refund } else { self.options.undecidable };
        let code = respond::code(answer?);
        Some(RateLimitResponse { overall_code: code, ..RateLimitResponse::default() })
    }
}

/// What became of a message at once.
#[derive(Debug)]
pub(super) enum Begun {
    Answered(Result<(RateLimitResponse, Option<Note>), CallError>),
    Pending(Pending),
}

/// An answer that waits for its decision, and keeps nothing of the message but what the answer repeats.
#[derive(Debug)]
pub(super) struct Pending {
    decision: engine::Pending,
    /// Until the decision is there.
    asked: Option<Asked>,
    options: Arc<ResponseOptions>,
}

impl Future for Pending {
    type Output = Result<RateLimitResponse, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let decision = ready!(Pin::new(&mut self.decision).poll(cx))?;
        let asked = self.asked.take().expect("there is one decision");
        Poll::Ready(Ok(respond::response(asked, &decision, &self.options)))
    }
}

impl Unary for RlsService {
    fn call(&self, message: Bytes, deadline: Option<Instant>) -> Reply {
        match self.begin(&message, deadline) {
            Begun::Answered(answer) => {
                Reply::Ready(answer.map(|(answer, note)| Answer::encode(&answer).with(note)).map_err(Rejection::from))
            }
            // only a domain with rules has counters to wait for
            Begun::Pending(pending) => Reply::Pending(Box::pin(async move {
                pending.await.map(|answer| Answer::encode(&answer)).map_err(Rejection::from)
            })),
        }
    }

    fn undecidable(&self, reason: Reason) -> Option<Answer> {
        Self::undecidable(self, reason).map(|answer| Answer::encode(&answer))
    }
}
