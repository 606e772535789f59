//! `/json`: the same call with proto3 JSON over HTTP, for use with curl.

use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll, time::Duration};

use axum::{
    Extension,
    body::{Body, Bytes, HttpBody as _},
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, any},
};
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use prost::Message as _;
use prost_reflect::{DeserializeOptions, DynamicMessage};
use tokio::time::timeout;

use super::{
    GrpcOptions, RlsService,
    budget::{Evicted, Share},
    grpc::{Outcome, PREFIX, PendingAnswer as _, Rejection, Unary as _},
    is_undecidable, protocol,
};
use crate::rejections::{Api, PeerName, Reason};

/// The largest body in bytes: parsing JSON takes a hundred times as much memory, on a thread that also answers probes.
const MAX_BODY: usize = 256 << 10;

/// The time within which a body must be complete.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a request has no decision.
#[derive(Debug, thiserror::Error)]
enum JsonError {
    #[error(
        "the body is longer than {max} bytes, the lesser of MAX_REQUEST_BYTES and {MAX_BODY}; send larger requests \
         over gRPC"
    )]
    TooLarge { max: usize },
    #[error("the body was not complete within {PATIENCE:?}; send it faster")]
    TooSlow,
    #[error(transparent)]
    OutOfMemory(#[from] Evicted),
    #[error("the body could not be read: {0}")]
    Broken(axum::Error),
    #[error("the body is not a RateLimitRequest in JSON: {0}")]
    Parse(#[from] serde_json::Error),
    #[error(transparent)]
    Call(#[from] Rejection),
}

impl JsonError {
    fn reason(&self) -> Option<Reason> {
        Some(match self {
            Self::TooLarge { .. } => Reason::MessageTooLarge,
            Self::OutOfMemory(_) => Reason::OutOfMemory,
            Self::TooSlow | Self::Broken(_) => Reason::Incomplete,
            Self::Parse(_) => Reason::Malformed,
            Self::Call(rejection) => return rejection.reason,
        })
    }

    /// The error without anything that the client sent, for the log.
    fn detail(&self) -> String {
        match self {
            Self::Parse(error) => {
                format!("the body is not a RateLimitRequest in JSON (line {}, column {})", error.line(), error.column())
            }
            other => other.to_string(),
        }
    }

    fn response(&self) -> Response {
        let (status, title) = match self.reason() {
            None | Some(Reason::NoRules | Reason::OutOfMemory) => {
                (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
            }
            Some(_) => (StatusCode::BAD_REQUEST, "Bad Request"),
        };
        error_page(status, title, &self.to_string())
    }
}

#[derive(Debug)]
struct Json {
    service: RlsService,
    options: GrpcOptions,
    /// The whole listener counts as one connection, because each of its connections has one call at a time.
    share: Share,
}

/// The handler of `/json`. Any method is treated as POST, as in the reference.
pub(super) fn handler(service: RlsService, options: GrpcOptions) -> MethodRouter {
    let share = options.budget.connection();
    any(answer).with_state(Arc::new(Json { service, options, share }))
}

async fn answer(State(json): State<Arc<Json>>, peer: Option<Extension<PeerName>>, body: Body) -> Response {
    let mut frame = Vec::new();
    let error = match json.answer(body, &mut frame).await {
        Ok(()) => return respond(&frame),
        Err(error) => error,
    };
    let Some(reason) = error.reason() else { return error.response() };
    let peer = peer.map_or(PeerName::Unknown, |Extension(peer)| peer);
    let rejections = &json.options.rejections;
    if is_undecidable(reason) && json.service.answer_undecidable(reason, &mut frame) {
        rejections.record_denied(Api::Json, reason, &peer, &error.detail());
        return respond(&frame);
    }
    rejections.record(Api::Json, reason, &peer, &error.detail());
    error.response()
}

impl Json {
    /// Appends the answer as the gRPC port would encode it.
    async fn answer(&self, body: Body, frame: &mut Vec<u8>) -> Result<(), JsonError> {
        let body = timeout(PATIENCE, self.read(body)).await.map_err(|_| JsonError::TooSlow)??;
        let message = parse(&body)?;
        drop(body);
        match self.service.answer(&message, None, frame) {
            Outcome::Answered(_) => Ok(()),
            Outcome::Rejected(rejection) => Err(rejection.into()),
            Outcome::Pending(mut pending) => Ok(poll_fn(|cx| pending.poll_answer(cx, frame)).await?),
        }
    }

    /// Reads the whole body, within the memory budget.
    async fn read(&self, mut body: Body) -> Result<Bytes, JsonError> {
        let max = self.options.max_request.min(MAX_BODY);
        let announced = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
        if announced.is_some_and(|length| length > max) {
            return Err(JsonError::TooLarge { max });
        }
        let (mut partial, mut length) = (self.share.open()?, 0);
        loop {
            let frame = poll_fn(|cx| match Pin::new(&mut body).poll_frame(cx) {
                Poll::Pending => match partial.check(cx) {
                    Ok(()) => Poll::Pending,
                    Err(evicted) => Poll::Ready(Err(evicted)),
                },
                Poll::Ready(frame) => Poll::Ready(Ok(frame)),
            });
            let Some(frame) = frame.await? else { return Ok(partial.finish()?.into()) };
            let Ok(data) = frame.map_err(JsonError::Broken)?.into_data() else { continue };
            length += data.len();
            if length > max {
                return Err(JsonError::TooLarge { max });
            }
            partial.append(&data, announced.unwrap_or(max))?;
        }
    }
}

/// The request as the gRPC port would receive it.
fn parse(body: &[u8]) -> Result<Vec<u8>, JsonError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let descriptor = protocol::message("envoy.service.ratelimit.v3.RateLimitRequest");
    let message = DynamicMessage::deserialize_with_options(descriptor, &mut json, &options)
        .and_then(|message| json.end().map(|()| message))?;
    Ok(message.encode_to_vec())
}

/// The response with the answer in JSON. `frame`: the answer as the gRPC port would encode it.
fn respond(frame: &[u8]) -> Response {
    let descriptor = protocol::message("envoy.service.ratelimit.v3.RateLimitResponse");
    let answer = DynamicMessage::decode(descriptor, frame.get(PREFIX..).unwrap_or_default())
        .map_err(|error| error.to_string())
        .and_then(|message| {
            serde_json::to_string(&message).map(|text| (status(&message), text)).map_err(|error| error.to_string())
        });
    match answer {
        Ok((status, text)) => (status, [(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => error_page(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error", &error),
    }
}

fn status(answer: &DynamicMessage) -> StatusCode {
    let code = answer.get_field_by_name("overall_code").and_then(|code| code.as_enum_number());
    match code.map(Code::try_from) {
        Some(Ok(Code::Ok)) => StatusCode::OK,
        Some(Ok(Code::OverLimit)) => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn error_page(status: StatusCode, title: &str, reason: &str) -> Response {
    (status, format!("{title}\n{reason}\n")).into_response()
}
