//! `ON_INVALID_REQUEST=deny`: what cannot be decided is denied; what Envoy never sends is rejected all the same.

use bytes::Bytes;
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitResponse, rate_limit_response::Code};
use prost::Message as _;

use crate::refusals::{RULES, left, rejected};
use testkit::{
    http::Client,
    raw::{Raw, SHOULD_RATE_LIMIT, frame},
    rls::request,
};

/// Requests that cannot be decided, and the reasons.
fn undecidable() -> Vec<(&'static str, Vec<Bytes>)> {
    let encode =
        |domain, descriptors: &[&[(&str, &str)]]| vec![frame(0, &request(domain, descriptors).encode_to_vec())];
    let path = ("path", "/a");
    vec![
        ("message_too_large", vec![Bytes::from_static(b"\0\xff\0\0\0")]),
        ("malformed", vec![frame(0, b"\x0a\x7f")]),
        ("malformed", vec![frame(7, b"")]),
        ("incomplete", vec![]),
        ("incomplete", vec![Bytes::from_static(b"\0\0\0\0\x07")]),
        ("no_domain", encode("", &[&[path]])),
        ("no_descriptors", encode("shop", &[])),
        ("too_many_descriptors", encode("shop", &vec![&[path][..]; 1025])),
        ("too_many_entries", encode("shop", &[&[path; 257]])),
    ]
}

#[tokio::test]
async fn undecidable_requests_are_denied() {
    let tollgate = testkit::tollgate!().rules(RULES).env("ON_INVALID_REQUEST", "deny").start();
    let mut raw = Raw::connect(tollgate.address("grpc")).await;
    let before = left(&tollgate).await;
    for (reason, frames) in undecidable() {
        let counted = rejected(&tollgate, "rls", reason).await;
        let answer: RateLimitResponse = raw.ask(&[], &frames).await.decode();
        assert_eq!((answer.overall_code(), answer.statuses.len()), (Code::OverLimit, 0), "{reason}");
        assert_eq!(rejected(&tollgate, "rls", reason).await, counted + 1, "{reason}");
    }
    let answer = raw.call("GET", SHOULD_RATE_LIMIT, &[("content-type", "application/grpc")], &[]).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (405, 13));
    assert_eq!(raw.ask(&[("grpc-timeout", "x")], &[]).await.status, 400);
    assert_eq!(raw.ask(&[("grpc-encoding", "br")], &[]).await.code(), 12);
    assert_eq!(left(&tollgate).await, before);
    tollgate.wait_for_log("denied without a decision, because ON_INVALID_REQUEST=deny");
}

#[tokio::test]
async fn shadow_mode_denies_nothing() {
    let builder = testkit::tollgate!().rules(RULES).env("ON_INVALID_REQUEST", "deny").env("SHADOW_MODE", "true");
    let tollgate = builder.start();
    let mut raw = Raw::connect(tollgate.address("grpc")).await;
    for (reason, frames) in undecidable() {
        let answer: RateLimitResponse = raw.ask(&[], &frames).await.decode();
        assert_eq!(answer.overall_code(), Code::Ok, "{reason}");
    }
}

#[tokio::test]
async fn over_json_too() {
    for (setting, status) in [("error", 400), ("deny", 429)] {
        let tollgate = testkit::tollgate!()
            .rules(RULES)
            .env("ON_INVALID_REQUEST", setting)
            .env("MAX_REQUEST_BYTES", "1000")
            .start();
        for (reason, body) in [
            ("malformed", "{\"domain\": "),
            ("malformed", "{\"domain\": \"shop\", \"unknown\": 1}"),
            ("no_domain", "{\"descriptors\": [{}]}"),
            ("no_descriptors", "{\"domain\": \"shop\"}"),
            ("override_unit", "{\"domain\": \"shop\", \"descriptors\": [{\"limit\": {\"unit\": 99}}]}"),
            ("message_too_large", &" ".repeat(1001)),
        ] {
            let counted = rejected(&tollgate, "json", reason).await;
            let answer = Client::new().post(tollgate.address("http"), "/json", body).await;
            assert_eq!(answer.status, status, "{setting}, {reason}: {answer:?}");
            assert_eq!(answer.body.contains("OVER_LIMIT"), setting == "deny", "{answer:?}");
            assert_eq!(rejected(&tollgate, "json", reason).await, counted + 1, "{reason}");
        }
        let lines = tollgate.wait_for_lines("\"api\":\"json\"", 1);
        assert!(lines.iter().all(|line| line.contains("127.0.0.1:")), "{lines:#?}");
    }
}

#[tokio::test]
async fn json_has_its_own_size_limit() {
    let tollgate = testkit::tollgate!(RULES);
    let answer = Client::new().post(tollgate.address("http"), "/json", &" ".repeat((256 << 10) + 1)).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("longer than 262144 bytes") && answer.body.contains("gRPC"), "{answer:?}");
    assert_eq!(rejected(&tollgate, "json", "message_too_large").await, 1);
}
