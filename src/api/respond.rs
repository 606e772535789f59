//! From the engine's decision to the RLS answer: statuses, response headers, dynamic metadata.

use std::{collections::HashMap, time::Duration};

use envoy_types::pb::{
    envoy::{
        config::core::v3::HeaderValue,
        extensions::common::ratelimit::v3::RateLimitDescriptor,
        service::ratelimit::v3::{
            RateLimitRequest, RateLimitResponse,
            rate_limit_response::{Code as WireCode, DescriptorStatus, RateLimit},
        },
    },
    google::protobuf::{Duration as WireDuration, ListValue, Struct, Value, value::Kind},
};

use super::convert::unit_number;
use crate::domain::{Code, CurrentLimit, Decision, Metadata, MetadataValue, Status};

/// What an answer carries beside the statuses.
#[derive(Clone, Debug, Default)]
pub struct ResponseOptions {
    /// Names of the headers to add, if any are wanted.
    pub headers: Option<HeaderNames>,
    /// Whether to fill `dynamic_metadata`.
    pub dynamic_metadata: bool,
    /// The overall answer to a request that cannot be decided; `None`: an error that says why.
    pub undecidable: Option<Code>,
}

/// Names of the response headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderNames {
    /// The limit.
    pub limit: String,
    /// What is left of it.
    pub remaining: String,
    /// Seconds until it is whole again.
    pub reset: String,
}

/// The answer to `message`.
pub(super) fn response(
    message: &RateLimitRequest,
    decision: &Decision,
    options: &ResponseOptions,
) -> RateLimitResponse {
    let tightest = decision.tightest.and_then(|index| decision.statuses.get(index));
    RateLimitResponse {
        overall_code: code(decision.code),
        statuses: decision.statuses.iter().map(status).collect(),
        response_headers_to_add: match (&options.headers, tightest) {
            (Some(names), Some(status)) => headers(names, status, decision.degraded),
            _ => Vec::new(),
        },
        dynamic_metadata: options.dynamic_metadata.then(|| dynamic_metadata(message, decision)),
        ..RateLimitResponse::default()
    }
}

/// The number of an overall answer.
pub(super) fn code(code: Code) -> i32 {
    match code {
        Code::Ok => WireCode::Ok.into(),
        Code::OverLimit => WireCode::OverLimit.into(),
    }
}

fn status(status: &Status) -> DescriptorStatus {
    DescriptorStatus {
        code: code(status.code),
        current_limit: status.limit.as_ref().map(current_limit),
        limit_remaining: saturate(status.remaining),
        duration_until_reset: status
            .reset_after
            .map(|after| WireDuration { seconds: i64::try_from(reset_seconds(after)).unwrap_or(i64::MAX), nanos: 0 }),
        quota: None,
    }
}

fn current_limit(limit: &CurrentLimit) -> RateLimit {
    RateLimit {
        name: limit.name.as_deref().unwrap_or_default().to_owned(),
        requests_per_unit: saturate(limit.requests),
        unit: unit_number(limit.unit),
    }
}

/// Whole seconds, rounded up and never 0, as the reference gives them.
fn reset_seconds(after: Duration) -> u64 {
    (after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1)
}

fn saturate(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Tells that a failure mode answered, beside the three headers of the reference.
const DEGRADED_HEADER: &str = "x-tollgate-degraded";

fn headers(names: &HeaderNames, status: &Status, degraded: bool) -> Vec<HeaderValue> {
    let (Some(limit), Some(reset)) = (&status.limit, status.reset_after) else { return Vec::new() };
    let header = |key: &str, value| HeaderValue { key: key.to_owned(), value, ..HeaderValue::default() };
    let numbers =
        [(&names.limit, limit.requests), (&names.remaining, status.remaining), (&names.reset, reset_seconds(reset))];
    let numbers = numbers.map(|(name, number)| header(name, number.to_string()));
    let mark = degraded.then(|| header(DEGRADED_HEADER, "true".to_owned()));
    numbers.into_iter().chain(mark).collect()
}

/// What was asked, and what the rules that passed have to say, for later filters and logs.
fn dynamic_metadata(message: &RateLimitRequest, decision: &Decision) -> Struct {
    let passed = &decision.metadata;
    let mut fields = HashMap::from([
        ("domain".to_owned(), string(message.domain.clone())),
        ("descriptors".to_owned(), list(message.descriptors.iter().map(descriptor))),
    ]);
    if message.hits_addend != 0 {
        fields.insert("hitsAddend".to_owned(), number(f64::from(message.hits_addend)));
    }
    if !passed.is_empty() {
        fields.insert("metadata".to_owned(), structure(metadata(passed)));
    }
    if decision.degraded {
        fields.insert("degraded".to_owned(), value(Kind::BoolValue(true)));
    }
    Struct { fields }
}

fn descriptor(descriptor: &RateLimitDescriptor) -> Value {
    let entries = descriptor.entries.iter().map(|entry| string(format!("{}={}", entry.key, entry.value)));
    let mut fields = HashMap::from([("entries".to_owned(), list(entries))]);
    if let Some(limit) = &descriptor.limit {
        // the text form of the protobuf message, which leaves out what is 0
        let requests = match limit.requests_per_unit {
            0 => String::new(),
            requests => format!("requests_per_unit:{requests} "),
        };
        fields.insert("limit".to_owned(), string(format!("{requests}unit:{}", limit.unit().as_str_name())));
    }
    if let Some(hits) = &descriptor.hits_addend {
        #[allow(clippy::cast_precision_loss)]
        fields.insert("hitsAddend".to_owned(), number(hits.value as f64));
    }
    structure(Struct { fields })
}

fn metadata(map: &Metadata) -> Struct {
    Struct { fields: map.iter().map(|(key, value)| (key.to_owned(), metadata_value(value))).collect() }
}

fn metadata_value(from: &MetadataValue) -> Value {
    match from {
        MetadataValue::Null => value(Kind::NullValue(0)),
        MetadataValue::Bool(flag) => value(Kind::BoolValue(*flag)),
        MetadataValue::Number(from) => number(*from),
        MetadataValue::String(text) => string(text.to_string()),
        MetadataValue::List(items) => list(items.iter().map(metadata_value)),
        MetadataValue::Map(map) => structure(metadata(map)),
    }
}

fn value(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}

fn string(text: String) -> Value {
    value(Kind::StringValue(text))
}

fn number(from: f64) -> Value {
    value(Kind::NumberValue(from))
}

fn structure(from: Struct) -> Value {
    value(Kind::StructValue(from))
}

fn list(values: impl Iterator<Item = Value>) -> Value {
    value(Kind::ListValue(ListValue { values: values.collect() }))
}
