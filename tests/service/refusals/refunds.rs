//! `REFUNDS`: whether clients may give hits back.

use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, rate_limit_response::Code};

use crate::refusals::{RULES, left, rejected};
use testkit::{
    http::Client,
    process::Tollgate,
    rls::{ask, client, request},
};

/// One descriptor that charges, and one that gives back.
fn refund() -> RateLimitRequest {
    let mut request = request("shop", &[&[("path", "/a")], &[("user", "u")]]);
    request.descriptors[1].is_negative_hits = true;
    request
}

async fn code(tollgate: &Tollgate, request: RateLimitRequest) -> Code {
    ask(&mut client(tollgate.address("grpc")), request).await.overall_code()
}

#[tokio::test]
async fn refunds_are_allowed_unless_denied() {
    let tollgate = testkit::tollgate!(RULES);
    let user = || request("shop", &[&[("user", "u")]]);
    assert_eq!([code(&tollgate, user()).await, code(&tollgate, user()).await], [Code::Ok, Code::OverLimit]);
    for _ in 0..2 {
        code(&tollgate, refund()).await;
    }
    assert_eq!(code(&tollgate, user()).await, Code::Ok, "as in the reference, the budget is renewed");
    assert_eq!(rejected(&tollgate, "rls", "refund").await, 0);
}

/// Independent of what happens to other undecidable requests: Envoy allows on an error.
#[tokio::test]
async fn a_denied_refund_is_over_the_limit_and_charges_nothing() {
    for on_invalid in ["error", "deny"] {
        let tollgate =
            testkit::tollgate!().rules(RULES).env("REFUNDS", "deny").env("ON_INVALID_REQUEST", on_invalid).start();
        let user = || request("shop", &[&[("user", "u")]]);
        assert_eq!([code(&tollgate, user()).await, code(&tollgate, user()).await], [Code::Ok, Code::OverLimit]);
        let before = left(&tollgate).await;
        for count in 1..=3 {
            assert_eq!(code(&tollgate, refund()).await, Code::OverLimit);
            assert_eq!(rejected(&tollgate, "rls", "refund").await, count);
        }
        assert_eq!(code(&tollgate, user()).await, Code::OverLimit, "nothing was given back");
        assert_eq!(left(&tollgate).await, before, "and nothing charged");
        let lines = tollgate.wait_for_lines("denied without a decision, because REFUNDS=deny", 1);
        assert!(lines.len() == 1 && lines[0].contains("is_negative_hits"), "{lines:#?}");
    }
}

#[tokio::test]
async fn over_json_and_under_shadow_mode_too() {
    let body =
        r#"{"domain": "shop", "descriptors": [{"entries": [{"key": "user", "value": "u"}], "isNegativeHits": true}]}"#;
    for (shadow, status) in [("false", 429), ("true", 200)] {
        let tollgate = testkit::tollgate!().rules(RULES).env("REFUNDS", "deny").env("SHADOW_MODE", shadow).start();
        let answer = Client::new().post(tollgate.address("http"), "/json", body).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(rejected(&tollgate, "json", "refund").await, 1);
    }
}
