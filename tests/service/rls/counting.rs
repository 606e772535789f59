//! What of a request is charged, to which counters, and what is left.

use envoy_types::pb::{envoy::service::ratelimit::v3::rate_limit_response::Code, google::protobuf::UInt64Value};
use testkit::rls::{ask, client, codes, request};

use super::{RULES, year};

#[tokio::test]
async fn a_limit_is_counted_down_and_then_denied() {
    let tollgate = testkit::tollgate!(RULES);
    let mut client = client(tollgate.address("grpc"));
    for (left, code) in [(1, Code::Ok), (0, Code::Ok), (0, Code::OverLimit), (0, Code::OverLimit)] {
        let answer = ask(&mut client, request("shop", &[&[("path", "/a")]])).await;
        assert_eq!(answer.overall_code(), code);
        let [status] = answer.statuses.as_slice() else { panic!("one status for one descriptor: {answer:?}") };
        assert_eq!((status.code(), status.limit_remaining), (code, left));
        let limit = status.current_limit.clone().map(|limit| (limit.requests_per_unit, limit.unit, limit.name));
        assert_eq!(limit, year(2, "a"));
        let reset = status.duration_until_reset.expect("a counted limit has a reset");
        assert!((1..=365 * 86_400).contains(&reset.seconds), "{reset:?}");
        assert_eq!(reset.nanos, 0);
        assert!(answer.response_headers_to_add.is_empty() && answer.dynamic_metadata.is_none());
    }
}

#[tokio::test]
async fn unmatched_descriptors_are_allowed_without_a_limit() {
    let tollgate = testkit::tollgate!(RULES);
    let mut client = client(tollgate.address("grpc"));
    let unmatched: [&[(&str, &str)]; 5] = [
        &[("nothing", "x")],
        &[("outer", "o")],
        &[("outer", "p"), ("inner", "x")],
        &[("path", "/a"), ("more", "x")],
        &[],
    ];
    for domain in ["shop", "unknown"] {
        let answer = ask(&mut client, request(domain, &unmatched)).await;
        assert_eq!(answer.overall_code(), Code::Ok);
        assert_eq!(codes(&answer), [Code::Ok; 5]);
        for status in &answer.statuses {
            assert!(status.current_limit.is_none() && status.duration_until_reset.is_none(), "{status:?}");
            assert_eq!(status.limit_remaining, 0);
        }
    }
    let both = ask(&mut client, request("shop", &[&[("outer", "o"), ("inner", "i")], &[("nothing", "x")]])).await;
    assert_eq!(both.statuses[0].current_limit.as_ref().map(|limit| limit.requests_per_unit), Some(1));
    assert!(both.statuses[1].current_limit.is_none());
}

#[tokio::test]
async fn one_descriptor_over_denies_the_request_and_the_others_are_charged() {
    let tollgate = testkit::tollgate!(RULES);
    let mut client = client(tollgate.address("grpc"));
    let ask_both = request("shop", &[&[("zero", "z")], &[("path", "/b")]]);
    for left in [4, 3, 2] {
        let answer = ask(&mut client, ask_both.clone()).await;
        assert_eq!(answer.overall_code(), Code::OverLimit);
        assert_eq!(codes(&answer), [Code::OverLimit, Code::Ok]);
        assert_eq!(answer.statuses[1].limit_remaining, left);
    }
}

#[tokio::test]
async fn hits_are_taken_looked_at_and_given_back() {
    let tollgate = testkit::tollgate!(RULES);
    let mut client = client(tollgate.address("grpc"));
    let mut ask_hits = async |request_hits: u32, own: Option<u64>, negative: bool| {
        let mut request = request("shop", &[&[("path", "/b")]]);
        request.hits_addend = request_hits;
        request.descriptors[0].hits_addend = own.map(|value| UInt64Value { value });
        request.descriptors[0].is_negative_hits = negative;
        let answer = ask(&mut client, request).await;
        (answer.overall_code(), answer.statuses[0].limit_remaining)
    };
    assert_eq!(ask_hits(3, None, false).await, (Code::Ok, 2));
    assert_eq!(ask_hits(3, Some(0), false).await, (Code::Ok, 2), "0 looks");
    assert_eq!(ask_hits(3, Some(2), false).await, (Code::Ok, 0), "the descriptor's own hits count");
    assert_eq!(ask_hits(0, Some(0), false).await, (Code::Ok, 0), "at the limit is not over it");
    assert_eq!(ask_hits(0, None, false).await, (Code::OverLimit, 0));
    assert_eq!(ask_hits(0, Some(0), false).await, (Code::OverLimit, 0), "a denied hit was counted");
    assert_eq!(ask_hits(0, Some(2), true).await, (Code::Ok, 1), "6 − 2 = 4 of 5");
    assert_eq!(ask_hits(0, Some(100), true).await, (Code::Ok, 5), "never below zero");
    assert_eq!(ask_hits(0, Some(u64::MAX), false).await, (Code::OverLimit, 0));
    assert_eq!(ask_hits(0, Some(u64::MAX), false).await, (Code::OverLimit, 0), "saturates");
}

#[tokio::test]
async fn the_reference_s_key_collisions_are_not_there() {
    let tollgate = testkit::tollgate!(
        "domain: d\ndescriptors:\n\
         - {key: a_b, rate_limit: {unit: year, requests_per_unit: 1}}\n\
         - {key: a, rate_limit: {unit: year, requests_per_unit: 1}}\n\
         - {key: a, value: b, rate_limit: {unit: year, requests_per_unit: 1}}\n",
    );
    let mut client = client(tollgate.address("grpc"));
    for pair in [("a_b", "c"), ("a", "b_c"), ("a", "b"), ("a_b", "")] {
        let answer = ask(&mut client, request("d", &[&[pair]])).await;
        assert_eq!(answer.overall_code(), Code::Ok, "{pair:?} has a counter of its own");
        assert!(answer.statuses[0].current_limit.is_some());
    }
}
