//! `envoy.service.ratelimit.v3.RateLimitService`: from the bytes of a request to the bytes of its answer.

#[cfg(test)]
mod convert;
mod decode;
mod respond;
mod unit;

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use tonic::Code;

pub use self::respond::{HeaderName, HeaderNames, ResponseOptions};
use self::{
    decode::{DecodeError, decode},
    respond::EchoedRequest,
};
use super::{
    grpc::{Note, Outcome, PendingAnswer, Rejection, Unary},
    requests::{ErrorKind, InFlight, RequestStats},
};
use crate::{
    engine::{self, DecideError, Engine, MaybePending},
    rejections::Reason,
};

/// The path of its one method.
pub(super) const SHOULD_RATE_LIMIT: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

/// Answers `ShouldRateLimit`.
#[derive(Clone, Debug)]
pub struct RlsService {
    engine: Engine,
    options: Arc<ResponseOptions>,
    requests: Arc<RequestStats>,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
enum CallError {
    /// The message cannot be decoded.
    #[error("grpc: failed to unmarshal the received message: {0}")]
    Malformed(DecodeError),
    /// The request cannot be decided.
    #[error("{error}{setting}", setting = setting(.error))]
    Decide {
        #[from]
        error: DecideError,
    },
}

/// The setting that a request violates, to follow the error's message.
fn setting(error: &DecideError) -> &'static str {
    match error {
        DecideError::TooManyDescriptors { .. } => " (setting MAX_DESCRIPTORS)",
        DecideError::TooManyEntries { .. } => " (setting MAX_ENTRIES)",
        DecideError::Refund { .. } => " (is_negative_hits, setting REFUNDS)",
        DecideError::NoDomain
        | DecideError::NoDescriptors
        | DecideError::OverrideUnit { .. }
        | DecideError::NoRules
        | DecideError::Store(_) => "",
    }
}

impl CallError {
    /// The reason to count it under; `None` for a failure of the store, which has metrics of its own.
    fn reason(&self) -> Option<Reason> {
        Some(match self {
            Self::Malformed(_) => Reason::Malformed,
            Self::Decide { error } => match error {
                DecideError::OverrideUnit { .. } => Reason::OverrideUnit,
                DecideError::NoDomain => Reason::NoDomain,
                DecideError::NoDescriptors => Reason::NoDescriptors,
                DecideError::TooManyDescriptors { .. } => Reason::TooManyDescriptors,
                DecideError::TooManyEntries { .. } => Reason::TooManyEntries,
                DecideError::Refund { .. } => Reason::Refund,
                DecideError::NoRules => Reason::NoRules,
                DecideError::Store(_) => return None,
            },
        })
    }

    fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => Code::Internal,
            Self::Decide { error: DecideError::NoRules | DecideError::Store(_) } => Code::Unavailable,
            Self::Decide { .. } => Code::InvalidArgument,
        }
    }
}

impl From<DecodeError> for CallError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Malformed(_) => Self::Malformed(error),
            DecodeError::TooMany(error) => Self::Decide { error },
        }
    }
}

impl From<CallError> for Rejection {
    fn from(error: CallError) -> Self {
        Self { code: error.code(), message: error.to_string(), reason: error.reason() }
    }
}

impl RlsService {
    /// A service that decides with `engine`, and counts its calls in `requests`.
    #[must_use]
    pub fn new(engine: Engine, options: Arc<ResponseOptions>, requests: Arc<RequestStats>) -> Self {
        Self { engine, options, requests }
    }
}

impl Unary for RlsService {
    type Pending = Pending;

    fn answer(&self, message: &[u8], deadline: Option<Instant>, out: &mut Vec<u8>) -> Outcome<Pending> {
        let request = match decode(message, self.engine.limits()) {
            Ok(request) => request,
            Err(error) => {
                // malformed messages are not counted: in the reference they do not reach the service either
                if !matches!(error, DecodeError::Malformed(_)) {
                    self.requests.record_invalid_request();
                }
                return Outcome::Rejected(CallError::from(error).into());
            }
        };
        let in_flight = self.requests.start(Instant::now());
        match self.engine.begin(&request, deadline) {
            MaybePending::Decided(Ok(decision)) => {
                respond::append(EchoedRequest::of(&request, &self.options), &decision, &self.options, out);
                Outcome::Answered(decision.unknown_domain.then_some(Note::UnknownDomain))
            }
            MaybePending::Decided(Err(error)) => {
                in_flight.failed(ErrorKind::from(&error));
                Outcome::Rejected(CallError::from(error).into())
            }
            MaybePending::Pending(decision) => Outcome::Pending(Pending {
                decision,
                in_flight: in_flight.waiting(Arc::clone(&self.requests)),
                echoed: EchoedRequest::of(&request, &self.options),
                options: Arc::clone(&self.options),
            }),
        }
    }

    fn answer_undecidable(&self, reason: Reason, out: &mut Vec<u8>) -> bool {
        let answer = if reason == Reason::Refund { self.options.refund } else { self.options.undecidable };
        if let Some(code) = answer {
            respond::append_bare(code, out);
        }
        answer.is_some()
    }
}

/// An answer that waits for its decision. Of the message it keeps only what the answer repeats. Dropping it abandons
/// the call.
#[derive(Debug)]
#[must_use = "the answer is abandoned when this is dropped"]
pub struct Pending {
    decision: engine::Pending,
    in_flight: InFlight<Arc<RequestStats>>,
    echoed: EchoedRequest,
    options: Arc<ResponseOptions>,
}

impl PendingAnswer for Pending {
    /// There is no [`Note`] here: only a domain with rules has counters to wait for.
    fn poll_answer(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<Result<(), Rejection>> {
        let decision = ready!(Pin::new(&mut self.decision).poll(cx)).map_err(|error| {
            self.in_flight.failed(ErrorKind::from(&error));
            CallError::from(error)
        })?;
        respond::append(mem::take(&mut self.echoed), &decision, &self.options, out);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
