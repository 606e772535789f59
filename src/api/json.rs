//! `/json`: the same call with proto3 JSON over HTTP, for a person with curl.

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, any},
};
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitResponse, rate_limit_response::Code};
use prost::Message as _;
use prost_reflect::{DeserializeOptions, DynamicMessage};

use super::{RlsService, protocol, rls::CallError};

/// The handler of `/json`. Any method is read as POST, as the reference does.
pub fn json_handler(service: RlsService) -> MethodRouter {
    any(answer).with_state(service)
}

async fn answer(State(service): State<RlsService>, body: Result<Bytes, BytesRejection>) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => {
            let why = format!("{}; setting MAX_REQUEST_BYTES bounds the body", rejection.body_text());
            return refuse(StatusCode::BAD_REQUEST, "Bad Request", &why);
        }
    };
    let message = match parse(&body) {
        Ok(message) => message,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, "Bad Request", &error),
    };
    match service.answer(&message, None).await {
        Ok(answer) => respond(&answer),
        Err(error) if callers(&error) => refuse(StatusCode::BAD_REQUEST, "Bad Request", &error.to_string()),
        Err(error) => refuse(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable", &error.to_string()),
    }
}

fn callers(error: &CallError) -> bool {
    error.is_callers()
}

/// The request as the gRPC port would get it.
fn parse(body: &[u8]) -> Result<Vec<u8>, String> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let descriptor = protocol::message("envoy.service.ratelimit.v3.RateLimitRequest");
    DynamicMessage::deserialize_with_options(descriptor, &mut json, &options)
        .and_then(|message| json.end().map(|()| message.encode_to_vec()))
        .map_err(|error| format!("the body is not a RateLimitRequest in JSON: {error}"))
}

fn respond(answer: &RateLimitResponse) -> Response {
    let status = match answer.overall_code() {
        Code::Ok => StatusCode::OK,
        Code::OverLimit => StatusCode::TOO_MANY_REQUESTS,
        Code::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let descriptor = protocol::message("envoy.service.ratelimit.v3.RateLimitResponse");
    let text = DynamicMessage::decode(descriptor, answer.encode_to_vec().as_slice())
        .map_err(|error| error.to_string())
        .and_then(|message| serde_json::to_string(&message).map_err(|error| error.to_string()));
    match text {
        Ok(text) => (status, [(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error", &error),
    }
}

fn refuse(status: StatusCode, title: &str, why: &str) -> Response {
    (status, format!("{title}\n{why}\n")).into_response()
}
