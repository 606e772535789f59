//! Compares the encoder with prost: decisions of every shape, as a `RateLimitResponse` that the generated code encodes.

use std::{sync::Arc, time::Duration};

use envoy_types::pb::{
    envoy::{
        config::core::v3::HeaderValue,
        service::ratelimit::v3::{
            RateLimitResponse,
            rate_limit_response::{Code as WireCode, DescriptorStatus, RateLimit},
        },
    },
    google::protobuf::Duration as WireDuration,
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use prost::Message as _;

use super::*;
use limiter::domain::{CurrentLimit, Descriptor, Entry, Metadata, MetadataValue, Status, Unit};

use crate::api::{grpc::PREFIX, rls::unit::unit_number};

/// The answer as a message. `metadata`: the map that was encoded, because an equal map may have another order.
fn message(decision: &Decision, options: &ResponseOptions, metadata: Option<Struct>) -> RateLimitResponse {
    let tightest = decision.tightest.and_then(|index| decision.statuses.get(index));
    RateLimitResponse {
        overall_code: code(decision.code),
        statuses: decision.statuses.iter().map(status).collect(),
        response_headers_to_add: match (&options.headers, tightest) {
            (Some(names), Some(status)) => headers(names, status, decision.degraded),
            _ => Vec::new(),
        },
        dynamic_metadata: metadata,
        ..RateLimitResponse::default()
    }
}

fn code(code: Code) -> i32 {
    match code {
        Code::Ok => WireCode::Ok.into(),
        Code::OverLimit => WireCode::OverLimit.into(),
    }
}

fn status(status: &Status) -> DescriptorStatus {
    let reset = status.reset_after.map(reset_seconds);
    DescriptorStatus {
        code: code(status.code),
        current_limit: status.limit.as_ref().map(|limit| RateLimit {
            name: limit.name.as_deref().unwrap_or_default().to_owned(),
            requests_per_unit: u32::try_from(limit.requests).unwrap_or(u32::MAX),
            unit: unit_number(limit.unit),
        }),
        limit_remaining: u32::try_from(status.remaining).unwrap_or(u32::MAX),
        duration_until_reset: reset
            .map(|seconds| WireDuration { seconds: i64::try_from(seconds).unwrap_or(i64::MAX), nanos: 0 }),
        quota: None,
    }
}

fn reset_seconds(after: Duration) -> u64 {
    u64::try_from(after.as_nanos().div_ceil(1_000_000_000)).unwrap_or(u64::MAX).max(1)
}

fn headers(names: &HeaderNames, status: &Status, degraded: bool) -> Vec<HeaderValue> {
    let (Some(limit), Some(reset)) = (&status.limit, status.reset_after) else { return Vec::new() };
    let header = |key: &str, value: String| HeaderValue { key: key.to_owned(), value, ..HeaderValue::default() };
    let mut headers = vec![
        header(names.limit.as_str(), limit.requests.to_string()),
        header(names.remaining.as_str(), status.remaining.to_string()),
        header(names.reset.as_str(), reset_seconds(reset).to_string()),
    ];
    if degraded {
        headers.push(header("x-tollgate-degraded", "true".to_owned()));
    }
    headers
}

/// Numbers of every length, and numbers at which the length changes.
fn numbers() -> impl Strategy<Value = u64> {
    let small = 0..4_u64;
    let edges = (0..64_u32, 0..3_u64).prop_map(|(bit, by)| (1_u64 << bit).wrapping_add(by).wrapping_sub(1));
    prop_oneof![small, edges, any::<u64>(), Just(u64::MAX), Just(u64::from(u32::MAX))]
}

/// Texts whose encoded length has one, two or three bytes.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![8 => "[a-zé]{0,3}", 3 => "[a-z]{120,130}", 1 => Just("x".repeat(1 << 14))]
}

fn codes() -> impl Strategy<Value = Code> {
    select(vec![Code::Ok, Code::OverLimit])
}

fn limits() -> impl Strategy<Value = CurrentLimit> {
    (numbers(), select(&Unit::ALL[..]), option::of(texts())).prop_map(|(requests, unit, name)| CurrentLimit {
        requests,
        unit,
        multiplier: 1,
        name: name.map(Arc::from),
    })
}

fn statuses() -> impl Strategy<Value = Status> {
    let durations = (numbers(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos));
    let resets = option::of(prop_oneof![durations, Just(Duration::ZERO), Just(Duration::MAX)]);
    (codes(), option::of(limits()), numbers(), resets).prop_map(|(code, limit, remaining, reset_after)| Status {
        code,
        limit,
        remaining,
        reset_after,
    })
}

fn values() -> impl Strategy<Value = MetadataValue> {
    let leaves = prop_oneof![
        Just(MetadataValue::Null),
        any::<bool>().prop_map(MetadataValue::Bool),
        any::<f64>().prop_map(MetadataValue::Number),
        texts().prop_map(|text| MetadataValue::String(text.into())),
    ];
    leaves.prop_recursive(3, 12, 3, |inner| {
        let maps = vec(("[a-z]{0,4}", inner.clone()), 0..3).prop_map(|pairs| pairs.into_iter().collect());
        prop_oneof![vec(inner, 0..3).prop_map(MetadataValue::List), maps.prop_map(MetadataValue::Map)]
    })
}

fn decisions() -> impl Strategy<Value = Decision> {
    let metadata = vec(("[a-z]{0,4}", values()), 0..3).prop_map(|pairs| pairs.into_iter().collect::<Metadata>());
    let many = prop_oneof![9 => vec(statuses(), 0..6), 1 => vec(statuses(), 100)];
    (codes(), many, option::of(0..7_usize), metadata, any::<bool>()).prop_map(
        |(code, statuses, tightest, metadata, degraded)| Decision {
            code,
            statuses: statuses.into(),
            tightest,
            metadata,
            degraded,
            unknown_domain: false,
        },
    )
}

fn options() -> impl Strategy<Value = ResponseOptions> {
    // any text: the encoder does not check names
    let name = || texts().prop_map(HeaderName);
    let names = (name(), name(), name()).prop_map(|(limit, remaining, reset)| HeaderNames { limit, remaining, reset });
    (option::of(names), any::<bool>()).prop_map(|(headers, dynamic_metadata)| ResponseOptions {
        headers,
        dynamic_metadata,
        ..ResponseOptions::default()
    })
}

/// The message of the only frame that was appended after `before`.
fn unframed<'a>(frame: &'a [u8], before: &[u8]) -> &'a [u8] {
    let frame = frame.strip_prefix(before).expect("the earlier content is unchanged");
    let (prefix, message) = frame.split_at(PREFIX);
    let length = u32::try_from(message.len()).expect("short");
    assert_eq!(prefix, [&[0][..], &length.to_be_bytes()].concat());
    message
}

proptest! {
    #[test]
    fn an_answer_equals_prost_s_encoding_of_its_message(
        decision in decisions(),
        options in options(),
        before in vec(any::<u8>(), 0..9),
    ) {
        let descriptor = Descriptor {
            entries: [Entry::new("key", b"caf\xe9")].into_iter().collect(),
            limit: None,
            amount: Some(2),
            gives_back: false,
        };
        let request = Request { domain: b"d", descriptors: [descriptor].into_iter().collect(), amount: 1 };
        let echoed = EchoedRequest::of(&request, &options).0;
        prop_assert_eq!(echoed.is_some(), options.dynamic_metadata);
        let metadata = echoed.map(|echoed| metadata::complete(echoed, &decision));
        let mut out = before.clone();
        append_with(metadata.as_ref(), &decision, &options, &mut out);
        let theirs = message(&decision, &options, metadata);
        prop_assert_eq!(unframed(&out, &before), theirs.encode_to_vec());
    }
}

#[test]
fn a_bare_answer_has_only_the_overall_code() {
    for code in [Code::Ok, Code::OverLimit] {
        let mut out = vec![7];
        append_bare(code, &mut out);
        let wanted = RateLimitResponse { overall_code: self::code(code), ..RateLimitResponse::default() };
        assert_eq!(RateLimitResponse::decode(unframed(&out, &[7])), Ok(wanted));
    }
}

#[test]
fn an_empty_buffer_is_allocated_with_the_exact_size() {
    let limit = CurrentLimit { requests: 1000, unit: Unit::Hour, multiplier: 1, name: Some("name".into()) };
    let status =
        Status { code: Code::Ok, limit: Some(limit), remaining: 9, reset_after: Some(Duration::from_secs(3600)) };
    let decision = Decision {
        code: Code::Ok,
        statuses: [status].into_iter().collect(),
        tightest: Some(0),
        metadata: Metadata::default(),
        degraded: true,
        unknown_domain: false,
    };
    let [limit, remaining, reset] = ["l", "r", "s"].map(|name| HeaderName(name.to_owned()));
    let headers = Some(HeaderNames { limit, remaining, reset });
    let mut out = Vec::new();
    append(EchoedRequest::default(), &decision, &ResponseOptions { headers, ..ResponseOptions::default() }, &mut out);
    assert_eq!(out.capacity(), out.len());
}
