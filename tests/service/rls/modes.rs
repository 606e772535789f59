//! Settings that change how every request is decided.

use envoy_types::pb::{envoy::service::ratelimit::v3::rate_limit_response::Code, google::protobuf::UInt64Value};
use testkit::rls::{self, ask, client, codes, request};

use super::RULES;

#[tokio::test]
async fn global_shadow_mode_answers_ok_and_keeps_the_statuses() {
    let tollgate = testkit::tollgate!().rules(RULES).env("SHADOW_MODE", "true").start();
    let mut client = client(tollgate.address("grpc"));
    let answer = ask(&mut client, request("shop", &[&[("zero", "z")]])).await;
    assert_eq!((answer.overall_code(), codes(&answer)), (Code::Ok, vec![Code::OverLimit]));
    let metrics = testkit::http::Client::new().get(tollgate.address("metrics"), "/metrics").await;
    assert!(metrics.body.contains("ratelimit_service_global_shadow_mode 1"), "{}", metrics.body);
}

#[tokio::test]
async fn global_quota_mode_makes_quotas_of_all_but_the_unlimited() {
    let tollgate = testkit::tollgate!().rules(RULES).env("QUOTA_MODE", "true").start();
    let mut client = client(tollgate.address("grpc"));
    let zero: &[_] = &[("zero", "z")];
    let mut overall = async |others: &[&[(&str, &str)]]| {
        let descriptors: Vec<_> = std::iter::once(zero).chain(others.iter().copied()).collect();
        ask(&mut client, request("shop", &descriptors)).await.overall_code()
    };
    assert_eq!(overall(&[]).await, Code::OverLimit);
    assert_eq!(overall(&[&[("nothing", "x")]]).await, Code::Ok, "an unmatched descriptor is a quota that passed");
    assert_eq!(overall(&[&[("free", "f")]]).await, Code::OverLimit, "an unlimited one is none");
    assert_eq!(overall(&[&[("path", "/b")]]).await, Code::Ok);
}

#[tokio::test]
async fn all_or_nothing_charges_only_what_is_over_when_the_request_is_denied() {
    for atomic in [true, false] {
        let value = if atomic { "true" } else { "false" };
        let tollgate = testkit::tollgate!().rules(RULES).env("STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT", value).start();
        let mut client = client(tollgate.address("grpc"));
        let refused = request("shop", &[&[("path", "/b")], &[("zero", "z")], &[("shadow", "s")]]);
        for _ in 0..3 {
            assert_eq!(ask(&mut client, refused.clone()).await.overall_code(), Code::OverLimit);
        }
        let look = async |client: &mut rls::Rls, key: &str| {
            let mut look = request("shop", &[&[(key, if key == "path" { "/b" } else { "s" })]]);
            look.descriptors[0].hits_addend = Some(UInt64Value { value: 0 });
            ask(client, look).await.statuses[0].limit_remaining
        };
        assert_eq!(look(&mut client, "path").await, if atomic { 5 } else { 2 });
        assert_eq!(look(&mut client, "shadow").await, 0, "shadow rules are charged in any case");
    }
}
