//! The RLS response, field by field, as `envoyproxy/ratelimit` returns it. Windows are a year long, so that none ends
//! during a test.

use envoy_types::pb::{
    envoy::{
        extensions::common::ratelimit::v3::rate_limit_descriptor::RateLimitOverride,
        service::ratelimit::v3::{
            RateLimitRequest,
            rate_limit_response::{Code, rate_limit::Unit},
        },
    },
    google::protobuf::{Struct, UInt64Value, value::Kind},
};
use testkit::rls::{self, ask, client, codes, descriptor, request};
use tonic::Code as Grpc;

const RULES: &str = r#"
domain: shop
descriptors:
  - key: path
    value: /a
    rate_limit: {unit: year, requests_per_unit: 2, name: a}
  - key: path
    rate_limit: {unit: year, requests_per_unit: 5}
  - key: shadow
    shadow_mode: true
    rate_limit: {unit: year, requests_per_unit: 1}
  - key: free
    rate_limit: {unlimited: true, replaces: [{name: a}]}
  - key: quota
    value: one
    quota_mode: true
    rate_limit: {unit: year, requests_per_unit: 1}
    metadata: {plan: {name: one, deep: {x: 1}}, list: [1, two, null, true]}
  - key: quota
    value: two
    quota_mode: true
    rate_limit: {unit: year, requests_per_unit: 2}
    metadata: {plan: {name: two, also: yes, deep: {x: 2, y: 2}}}
  - key: file
    value: img*
    share_threshold: true
    rate_limit: {unit: year, requests_per_unit: 2}
  - key: zero
    rate_limit: {unit: year, requests_per_unit: 0}
  - key: several
    rate_limits:
      - {unit: second, unit_multiplier: 1000000, requests_per_unit: 100}
      - {unit: year, requests_per_unit: 3}
  - key: bucket
    rate_limit: {algorithm: token_bucket, unit: year, requests_per_unit: 10, burst: 4}
  - key: outer
    value: o
    descriptors:
      - key: inner
        rate_limit: {unit: year, requests_per_unit: 1}
---
"#;

fn year(requests: u32, name: &str) -> Option<(u32, i32, String)> {
    Some((requests, Unit::Year.into(), name.to_owned()))
}

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
async fn invalid_requests_get_an_error() {
    let tollgate = testkit::tollgate!(RULES);
    let mut client = client(tollgate.address("grpc"));
    let mut refused = async |request: RateLimitRequest| {
        let error = client.should_rate_limit(request).await.expect_err("refused");
        (error.code(), error.message().to_owned())
    };
    let (code, message) = refused(request("", &[&[("path", "/a")]])).await;
    assert_eq!((code, message.as_str()), (Grpc::InvalidArgument, "rate limit domain must not be empty"));
    let (code, message) = refused(request("shop", &[])).await;
    assert_eq!((code, message.as_str()), (Grpc::InvalidArgument, "rate limit descriptor list must not be empty"));
    let (code, message) = refused(request("shop", &vec![&[("path", "/a")][..]; 2000])).await;
    assert_eq!(code, Grpc::InvalidArgument);
    assert!(message.contains("2000") && message.contains("MAX_DESCRIPTORS"), "{message}");
    let (code, message) = refused(request("shop", &[&vec![("path", "/a"); 2000]])).await;
    assert_eq!(code, Grpc::InvalidArgument);
    assert!(message.contains("2000") && message.contains("MAX_ENTRIES"), "{message}");
    let megabytes = "x".repeat(8 << 20);
    let (code, message) = refused(request("shop", &[&[("path", &megabytes)]])).await;
    assert_eq!(code, Grpc::ResourceExhausted);
    assert!(message.contains("vs. 4194304, setting MAX_REQUEST_BYTES"), "{message}");

    // none of it had any effect
    let answer = client.should_rate_limit(request("shop", &[&[("path", "/a")]])).await.expect("an answer");
    assert_eq!(answer.into_inner().overall_code(), Code::Ok);
}

#[tokio::test]
async fn text_that_is_not_utf_8_fails_that_call_only() {
    let tollgate = testkit::tollgate!(RULES);
    let address = tollgate.address("grpc");
    // domain (field 1), two bytes that are not UTF-8, in a gRPC frame
    let message = [0x0a, 2, 0xff, 0xfe];
    let mut framed = vec![0, 0, 0, 0, 4];
    framed.extend(message);
    let stream = tokio::net::TcpStream::connect(address).await.expect("connects");
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let request =
        hyper::Request::post(format!("http://{address}/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(http_body_util::Full::<bytes::Bytes>::from(framed))
            .expect("a valid request");
    let response = send.send_request(request).await.expect("an answer");
    let status = response.headers().get("grpc-status").expect("an error without a body has its status in the head");
    assert_ne!(status, "0");
    connection.abort();
    let answer = ask(&mut client(address), request_a()).await;
    assert_eq!(answer.overall_code(), Code::Ok);
}

fn request_a() -> RateLimitRequest {
    request("shop", &[&[("path", "/a")]])
}

#[tokio::test]
async fn headers_describe_the_tightest_limit() {
    let tollgate = testkit::tollgate!()
        .rules(RULES)
        .env("LIMIT_RESPONSE_HEADERS_ENABLED", "true")
        .env("LIMIT_REMAINING_HEADER", "x-left")
        .start();
    let mut client = client(tollgate.address("grpc"));
    let mut headers = async |descriptors: &[&[(&str, &str)]]| {
        let answer = ask(&mut client, request("shop", descriptors)).await;
        let mut headers: Vec<_> = answer.response_headers_to_add.into_iter().map(|h| (h.key, h.value)).collect();
        if let Some((name, reset)) = headers.pop() {
            assert_eq!(name, "RateLimit-Reset");
            assert!((1..=365 * 86_400).contains(&reset.parse::<u64>().expect("seconds")), "{reset}");
        }
        headers.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>()
    };
    let (a, b): (&[_], &[_]) = (&[("path", "/a")], &[("path", "/b")]);
    assert_eq!(headers(&[b, a]).await, ["RateLimit-Limit=2", "x-left=1"]);
    assert_eq!(headers(&[a]).await, ["RateLimit-Limit=2", "x-left=0"]);
    assert_eq!(headers(&[a, b]).await, ["RateLimit-Limit=2", "x-left=0"]);
    assert_eq!(headers(&[a, &[("zero", "z")]]).await, ["RateLimit-Limit=0", "x-left=0"], "the last one over");
    assert_eq!(headers(&[&[("free", "f")], &[("nothing", "x")]]).await, Vec::<String>::new());
}

#[tokio::test]
async fn dynamic_metadata_repeats_the_request_and_merges_the_rules_that_allowed() {
    let tollgate = testkit::tollgate!().rules(RULES).env("RESPONSE_DYNAMIC_METADATA", "true").start();
    let mut client = client(tollgate.address("grpc"));
    let mut both = request("shop", &[&[("quota", "one")], &[("quota", "two")]]);
    both.hits_addend = 1;
    both.descriptors.push(descriptor(&[("path", "/a"), ("x", "y=z")]));
    both.descriptors[2].limit = Some(RateLimitOverride { requests_per_unit: 7, unit: Unit::Minute.into() });
    both.descriptors[2].hits_addend = Some(UInt64Value { value: 2 });
    let mut metadata = async || {
        let answer = ask(&mut client, both.clone()).await;
        json(&answer.dynamic_metadata.expect("it is on"))
    };
    let expected = |metadata: serde_json::Value| {
        serde_json::json!({
            "domain": "shop",
            "hitsAddend": 1.0,
            "descriptors": [
                {"entries": ["quota=one"]},
                {"entries": ["quota=two"]},
                {"entries": ["path=/a", "x=y=z"], "limit": "requests_per_unit:7 unit:MINUTE", "hitsAddend": 2.0},
            ],
            "metadata": metadata,
        })
    };
    let list = serde_json::json!([1.0, "two", null, true]);
    assert_eq!(
        metadata().await,
        expected(serde_json::json!({
            "plan": {"name": "one", "also": true, "deep": {"x": 1.0, "y": 2.0}}, "list": list
        }))
    );
    assert_eq!(
        metadata().await,
        expected(serde_json::json!({"plan": {"name": "two", "also": true, "deep": {"x": 2.0, "y": 2.0}}})),
        "the first rule is over, and its metadata was not altered by the merge"
    );
}

fn json(from: &Struct) -> serde_json::Value {
    fn value(kind: Option<&Kind>) -> serde_json::Value {
        match kind {
            None | Some(Kind::NullValue(_)) => serde_json::Value::Null,
            Some(Kind::BoolValue(flag)) => (*flag).into(),
            Some(Kind::NumberValue(number)) => (*number).into(),
            Some(Kind::StringValue(text)) => text.as_str().into(),
            Some(Kind::ListValue(list)) => list.values.iter().map(|item| value(item.kind.as_ref())).collect(),
            Some(Kind::StructValue(map)) => json(map),
        }
    }
    serde_json::Value::Object(from.fields.iter().map(|(k, v)| (k.clone(), value(v.kind.as_ref()))).collect())
}

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
