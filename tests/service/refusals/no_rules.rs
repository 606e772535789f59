//! While no rules were ever loaded, the failure mode answers.

use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use tonic::Code as Grpc;

use crate::refusals::{RULES, rejected};
use testkit::{
    eventually,
    http::Client,
    rls::{client, request},
};

#[tokio::test]
async fn the_failure_mode_answers_until_there_are_rules() {
    let modes = [
        ("error", Err(Grpc::Unavailable), 503),
        ("allow", Ok(Code::Ok), 200),
        ("local", Ok(Code::Ok), 200),
        ("deny", Ok(Code::OverLimit), 429),
    ];
    for (mode, expected, status) in modes {
        let tollgate = testkit::tollgate!().rules("domain: [").env("FAILURE_MODE", mode).start();
        let mut client = client(tollgate.address("grpc"));
        let answer = client.should_rate_limit(request("shop", &[&[("user", "bob")]])).await;
        let answer = answer.map(|answer| answer.into_inner().overall_code()).map_err(|status| status.code());
        assert_eq!(answer, expected, "{mode}");
        let json =
            "{\"domain\": \"shop\", \"descriptors\": [{\"entries\": [{\"key\": \"user\", \"value\": \"bob\"}]}]}";
        let answer = Client::new().post(tollgate.address("http"), "/json", json).await;
        assert_eq!(answer.status, status, "{mode}: {answer:?}");
        let counted = [rejected(&tollgate, "rls", "no_rules").await, rejected(&tollgate, "json", "no_rules").await];
        assert_eq!(counted, if mode == "error" { [1, 1] } else { [0, 0] }, "{mode}");

        tollgate.write_rules(RULES);
        eventually("the rules", async || {
            let answer = Client::new().post(tollgate.address("http"), "/json", json).await;
            answer.body.contains("currentLimit").then_some(())
        })
        .await;
    }
}
