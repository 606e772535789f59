//! From the engine's decision to the RLS answer: statuses, response headers, dynamic metadata.

use std::{collections::HashMap, time::Duration};

use envoy_types::pb::{
    envoy::{
        config::core::v3::HeaderValue,
        service::ratelimit::v3::{
            RateLimitResponse,
            rate_limit_response::{Code as WireCode, DescriptorStatus, RateLimit},
        },
    },
    google::protobuf::{Duration as WireDuration, ListValue, Struct, Value, value::Kind},
};

use super::unit::{unit_number, unit_text};
use crate::domain::{Code, CurrentLimit, Decision, Descriptor, Escaped, Metadata, MetadataValue, Request, Status};

/// What an answer carries beside the statuses.
#[derive(Clone, Debug, Default)]
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
    pub limit: String,
    /// What is left of it.
    pub remaining: String,
    /// Seconds until it is whole again.
    pub reset: String,
}

/// What an answer repeats of its request, kept until there is a decision.
#[derive(Debug)]
pub(super) struct Asked(Option<Struct>);

impl Asked {
    /// Nothing, unless dynamic metadata is wanted.
    pub(super) fn of(request: &Request<'_>, options: &ResponseOptions) -> Self {
        Self(options.dynamic_metadata.then(|| asked(request)))
    }
}

/// The answer to a request of which this was kept.
pub(super) fn response(asked: Asked, decision: &Decision, options: &ResponseOptions) -> RateLimitResponse {
    let tightest = decision.tightest.and_then(|index| decision.statuses.get(index));
    RateLimitResponse {
        overall_code: code(decision.code),
        statuses: decision.statuses.iter().map(status).collect(),
        response_headers_to_add: match (&options.headers, tightest) {
            (Some(names), Some(status)) => headers(names, status, decision.degraded),
            _ => Vec::new(),
        },
        dynamic_metadata: asked.0.map(|asked| dynamic_metadata(asked, decision)),
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

/// What was asked, for later filters and logs. All of it is text: Envoy refuses an answer in which a string is not UTF-8.
fn asked(request: &Request<'_>) -> Struct {
    let mut fields = HashMap::from([
        ("domain".to_owned(), string(Escaped(request.domain).to_string())),
        ("descriptors".to_owned(), list(request.descriptors.iter().map(descriptor))),
    ]);
    if request.hits_addend != 0 {
        fields.insert("hitsAddend".to_owned(), count(request.hits_addend));
    }
    Struct { fields }
}

/// What was asked, and what the rules that passed have to say.
fn dynamic_metadata(mut asked: Struct, decision: &Decision) -> Struct {
    let passed = &decision.metadata;
    if !passed.is_empty() {
        asked.fields.insert("metadata".to_owned(), structure(metadata(passed)));
    }
    if decision.degraded {
        asked.fields.insert("degraded".to_owned(), value(Kind::BoolValue(true)));
    }
    asked
}

fn descriptor(descriptor: &Descriptor<'_>) -> Value {
    let entries = descriptor.entries.iter();
    let entries = entries.map(|entry| string(format!("{}={}", Escaped(entry.key), Escaped(entry.value))));
    let mut fields = HashMap::from([("entries".to_owned(), list(entries))]);
    if let Some(limit) = &descriptor.limit {
        // the text form of the protobuf message, which leaves out what is 0
        let requests = (limit.requests != 0).then(|| format!("requests_per_unit:{}", limit.requests));
        let unit = unit_text(limit.unit).map(|unit| format!("unit:{unit}"));
        let text: Vec<_> = requests.into_iter().chain(unit).collect();
        fields.insert("limit".to_owned(), string(text.join(" ")));
    }
    if let Some(hits) = descriptor.hits_addend {
        fields.insert("hitsAddend".to_owned(), count(hits));
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

#[allow(clippy::cast_precision_loss)]
fn count(hits: u64) -> Value {
    number(hits as f64)
}

fn structure(from: Struct) -> Value {
    value(Kind::StructValue(from))
}

fn list(values: impl Iterator<Item = Value>) -> Value {
    value(Kind::ListValue(ListValue { values: values.collect() }))
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use crate::domain::{Entry, LimitOverride, Unit};

    #[test]
    fn dynamic_metadata_is_text_whatever_was_asked() {
        let descriptor = Descriptor {
            entries: smallvec![Entry::new("ua", b"caf\xe9"), Entry::new(b"k\xff", "é")],
            limit: Some(LimitOverride { requests: 3, unit: Ok(Unit::Minute) }),
            hits_addend: Some(2),
            is_negative_hits: false,
        };
        let request = Request { domain: b"d\xff", descriptors: smallvec![descriptor], hits_addend: 4 };
        let decision = Decision {
            code: Code::Ok,
            statuses: smallvec![],
            tightest: None,
            metadata: Metadata::default(),
            degraded: false,
            unknown_domain: false,
        };
        let wanted = Struct {
            fields: HashMap::from([
                ("domain".to_owned(), string(r"d\xff".to_owned())),
                ("hitsAddend".to_owned(), number(4.0)),
                (
                    "descriptors".to_owned(),
                    list(std::iter::once(structure(Struct {
                        fields: HashMap::from([
                            (
                                "entries".to_owned(),
                                list([r"ua=caf\xe9", r"k\xff=é"].map(|text| string(text.to_owned())).into_iter()),
                            ),
                            ("limit".to_owned(), string("requests_per_unit:3 unit:MINUTE".to_owned())),
                            ("hitsAddend".to_owned(), number(2.0)),
                        ]),
                    }))),
                ),
            ]),
        };
        let options = ResponseOptions { dynamic_metadata: true, ..ResponseOptions::default() };
        assert_eq!(response(Asked::of(&request, &options), &decision, &options).dynamic_metadata, Some(wanted));
    }
}
