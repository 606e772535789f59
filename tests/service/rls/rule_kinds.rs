//! Rules that are more than one limit of a fixed window: shadow, unlimited, quota, shared, several, bucket.

use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use testkit::rls::{ask, client, codes, request};

use super::RULES;

#[tokio::test]
async fn shadow_rules_report_but_never_deny() {
    let tollgate = testkit::tollgate!(RULES);
    let mut client = client(tollgate.address("grpc"));
    for _ in 0..3 {
        let answer = ask(&mut client, request("shop", &[&[("shadow", "s")]])).await;
        assert_eq!((answer.overall_code(), codes(&answer)), (Code::Ok, vec![Code::Ok]));
        assert_eq!(answer.statuses[0].limit_remaining, 0);
    }
}

#[tokio::test]
async fn unlimited_rules_return_the_largest_number_and_replace_others() {
    let tollgate = testkit::tollgate!(RULES);
    let mut client = client(tollgate.address("grpc"));
    for _ in 0..5 {
        let answer = ask(&mut client, request("shop", &[&[("path", "/a")], &[("free", "f")]])).await;
        assert_eq!(answer.overall_code(), Code::Ok);
        assert!(answer.statuses[0].current_limit.is_none(), "replaced: {answer:?}");
        assert!(answer.statuses[1].current_limit.is_none());
        assert_eq!(answer.statuses[1].limit_remaining, u32::MAX);
    }
    let alone = ask(&mut client, request("shop", &[&[("path", "/a")]])).await;
    assert_eq!(alone.statuses[0].limit_remaining, 1, "a replaced limit is not counted");
}

#[tokio::test]
async fn quota_rules_deny_only_together() {
    let tollgate = testkit::tollgate!(RULES);
    let mut client = client(tollgate.address("grpc"));
    let both = request("shop", &[&[("quota", "one")], &[("quota", "two")]]);
    let expected = [
        (Code::Ok, [Code::Ok, Code::Ok]),
        (Code::Ok, [Code::OverLimit, Code::Ok]),
        (Code::OverLimit, [Code::OverLimit, Code::OverLimit]),
    ];
    for (overall, each) in expected {
        let answer = ask(&mut client, both.clone()).await;
        assert_eq!((answer.overall_code(), codes(&answer)), (overall, each.to_vec()));
    }
}

#[tokio::test]
async fn share_threshold_counts_all_values_of_a_pattern_together() {
    let tollgate = testkit::tollgate!(RULES);
    let mut client = client(tollgate.address("grpc"));
    let mut over = Vec::new();
    for value in ["img1", "img2", "img3"] {
        over.push(ask(&mut client, request("shop", &[&[("file", value)]])).await.overall_code());
    }
    assert_eq!(over, [Code::Ok, Code::Ok, Code::OverLimit]);
}

#[tokio::test]
async fn several_limits_are_charged_all_or_none_and_the_tightest_is_reported() {
    let tollgate = testkit::tollgate!(RULES);
    let mut client = client(tollgate.address("grpc"));
    for (left, code) in [(2, Code::Ok), (1, Code::Ok), (0, Code::Ok), (0, Code::OverLimit)] {
        let answer = ask(&mut client, request("shop", &[&[("several", "s")]])).await;
        assert_eq!((answer.overall_code(), answer.statuses[0].limit_remaining), (code, left));
        assert_eq!(answer.statuses[0].current_limit.as_ref().map(|limit| limit.requests_per_unit), Some(3));
    }
}

#[tokio::test]
async fn a_bucket_allows_its_burst() {
    let tollgate = testkit::tollgate!(RULES);
    let mut client = client(tollgate.address("grpc"));
    let mut passed = 0;
    while ask(&mut client, request("shop", &[&[("bucket", "b")]])).await.overall_code() == Code::Ok {
        passed += 1;
    }
    assert_eq!(passed, 4);
}
