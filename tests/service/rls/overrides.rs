//! Limits that a request brings with it.

use envoy_types::pb::envoy::{
    extensions::common::ratelimit::v3::rate_limit_descriptor::RateLimitOverride,
    service::ratelimit::v3::rate_limit_response::{Code, rate_limit::Unit},
};
use testkit::rls::{ask, client, request};
use tonic::Code as Grpc;

use super::{RULES, metadata::json, year};

#[tokio::test]
async fn overrides_replace_rules_in_a_known_domain() {
    let tollgate = testkit::tollgate!(RULES);
    let mut client = client(tollgate.address("grpc"));
    let mut with_limit = request("shop", &[&[("path", "/a")]]);
    with_limit.descriptors[0].limit = Some(RateLimitOverride { requests_per_unit: 9, unit: Unit::Year.into() });
    let answer = ask(&mut client, with_limit.clone()).await;
    let limit = answer.statuses[0].current_limit.clone().map(|limit| (limit.requests_per_unit, limit.unit, limit.name));
    assert_eq!((limit, answer.statuses[0].limit_remaining), (year(9, ""), 8));
    // the counter is the rule's, since the unit is the same
    let of_rule = ask(&mut client, request("shop", &[&[("path", "/a")]])).await;
    assert_eq!(of_rule.statuses[0].limit_remaining, 0);

    // a descriptor without a rule can have one too
    with_limit.descriptors[0].entries[0].key = "nothing".to_owned();
    assert_eq!(ask(&mut client, with_limit.clone()).await.statuses[0].limit_remaining, 8);
    with_limit.domain = "unknown".to_owned();
    assert!(ask(&mut client, with_limit.clone()).await.statuses[0].current_limit.is_none());
}

/// What the reference answered for each of these numbers; the list ends where our answer is an error.
#[tokio::test]
async fn units_of_overrides_are_known_by_their_numbers() {
    let tollgate = testkit::tollgate!().rules(RULES).env("RESPONSE_DYNAMIC_METADATA", "true").start();
    let mut client = client(tollgate.address("grpc"));
    let mut with_limit = request("", &[&[("by", "unit")]]);
    for (unit, text) in [
        (0, "requests_per_unit:9"),
        (1, "requests_per_unit:9 unit:SECOND"),
        (2, "requests_per_unit:9 unit:MINUTE"),
        (3, "requests_per_unit:9 unit:HOUR"),
        (4, "requests_per_unit:9 unit:DAY"),
        (5, "requests_per_unit:9 unit:MONTH"),
        (6, "requests_per_unit:9 unit:YEAR"),
        (7, "requests_per_unit:9 unit:7"),
        (8, "requests_per_unit:9 unit:8"),
        (9, "requests_per_unit:9 unit:9"),
        (99, "requests_per_unit:9 unit:99"),
        (-1, "requests_per_unit:9 unit:-1"),
    ] {
        with_limit.descriptors[0].limit = Some(RateLimitOverride { requests_per_unit: 9, unit });
        for domain in ["shop", "unknown"] {
            with_limit.domain = domain.to_owned();
            let answer = client.should_rate_limit(with_limit.clone()).await;
            if domain == "shop" && !(1..=7).contains(&unit) {
                let error = answer.expect_err("no such unit");
                assert_eq!(error.code(), Grpc::InvalidArgument, "{error}");
                continue;
            }
            let answer = answer.expect("an answer").into_inner();
            assert_eq!(answer.overall_code(), Code::Ok);
            let metadata = json(&answer.dynamic_metadata.expect("it is on"));
            assert_eq!(metadata["descriptors"][0]["limit"], text, "{domain}");
        }
    }
}
