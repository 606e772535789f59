//! `envoy.service.ratelimit.v3.RateLimitService` over gRPC.

use std::{sync::Arc, time::Instant};

use envoy_types::pb::envoy::service::ratelimit::v3::{
    RateLimitRequest, RateLimitResponse, rate_limit_service_server::RateLimitService,
};
use tonic::{Request, Response, Status};

use super::{
    ResponseOptions, convert, deadline,
    decode::{DecodeError, decode},
    respond,
};
use crate::{
    domain::{self, BoxFuture},
    engine::{DecideError, Engine},
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
    /// It cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It cannot be decided.
    #[error(transparent)]
    Decide(#[from] DecideError),
}

impl CallError {
    /// Whether the caller is at fault, who would get the same answer again.
    pub(super) fn is_callers(&self) -> bool {
        !matches!(self, Self::Decide(DecideError::NoRules | DecideError::Store(_)))
    }
}

impl From<CallError> for Status {
    fn from(error: CallError) -> Self {
        let message = error.to_string();
        if error.is_callers() { Self::invalid_argument(message) } else { Self::unavailable(message) }
    }
}

impl RlsService {
    /// A service that asks `engine`.
    #[must_use]
    pub fn new(engine: Engine, options: Arc<ResponseOptions>) -> Self {
        Self { engine, options }
    }

    /// Answers an encoded `RateLimitRequest`. `deadline` is when its caller gives up.
    pub(super) async fn answer(
        &self,
        message: &[u8],
        deadline: Option<Instant>,
    ) -> Result<RateLimitResponse, CallError> {
        let request = decode(message, self.engine.limits()).inspect_err(|_| self.engine.unreadable())?;
        self.answer_request(&request, deadline).await
    }

    async fn answer_request(
        &self,
        request: &domain::Request<'_>,
        deadline: Option<Instant>,
    ) -> Result<RateLimitResponse, CallError> {
        let decision = self.engine.decide(request, deadline).await?;
        Ok(respond::response(request, &decision, &self.options))
    }
}

impl RateLimitService for RlsService {
    /// What `async_trait` would make of an `async fn`, but that keeps the request twice, and with it the metadata.
    fn should_rate_limit<'s, 'f>(
        &'s self,
        request: Request<RateLimitRequest>,
    ) -> BoxFuture<'f, Result<Response<RateLimitResponse>, Status>>
    where
        's: 'f,
        Self: 'f,
    {
        let deadline = deadline::of(request.metadata(), Instant::now());
        let message = request.into_inner();
        Box::pin(async move {
            let request =
                convert::request(&message).map_err(CallError::from).inspect_err(|_| self.engine.unreadable())?;
            Ok(Response::new(self.answer_request(&request, deadline).await?))
        })
    }
}
