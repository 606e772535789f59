//! Dynamic metadata, which Envoy passes on to other filters.

use envoy_types::pb::{
    envoy::{
        extensions::common::ratelimit::v3::rate_limit_descriptor::RateLimitOverride,
        service::ratelimit::v3::rate_limit_response::rate_limit::Unit,
    },
    google::protobuf::{Struct, UInt64Value, value::Kind},
};
use testkit::rls::{ask, client, descriptor, request};

use super::RULES;

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

/// As JSON, to be compared.
pub fn json(from: &Struct) -> serde_json::Value {
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
