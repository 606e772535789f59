//! What is accepted and what is rejected, and which answers the server gets.

use envoy_types::pb::{
    envoy::service::{discovery::v3::DiscoveryResponse, ratelimit::v3::rate_limit_response::Code},
    google::protobuf::{Any, ListValue, Struct, Value, value::Kind},
    ratelimit::config::ratelimit::v3::{RateLimitDescriptor, RateLimitPolicy, RateLimitReplace, RateLimitUnit},
};

use super::service::{self, builder, limit_of, started};
use testkit::scrape::{count, until_metric};
use testkit::{
    http::Client,
    rls::{ask, codes, request},
    xds::{
        configs::{TYPE_URL, bad, limit, of_domain, policy, resource, rule},
        server::{Ads, Reply, ack},
    },
};

fn nack(reply: Reply, wanted_version: &str, wanted_nonce: &str) -> String {
    let Reply::Nack { version, nonce, fault } = reply else { panic!("no rejection: {reply:?}") };
    assert_eq!((version.as_str(), nonce.as_str()), (wanted_version, wanted_nonce));
    fault
}

#[tokio::test]
async fn the_first_request_has_the_node_and_asks_for_everything() {
    let mut ads = Ads::start().await;
    let tollgate = builder(ads.address)
        .env("CONFIG_GRPC_XDS_NODE_ID", "node-7")
        .env("CONFIG_GRPC_XDS_NODE_METADATA", "zone=a,team=b=c")
        .env("CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS", "authorization:Bearer x,X-Tenant:t")
        .spawn();
    let mut stream = ads.accept().await;
    let first = stream.request().await;
    assert_eq!((first.version_info.as_str(), first.response_nonce.as_str()), ("", ""));
    assert_eq!((first.type_url.as_str(), first.resource_names.len()), (TYPE_URL, 0));
    assert!(first.error_detail.is_none());
    let node = first.node.expect("a node");
    assert_eq!((node.id.as_str(), node.user_agent_name.as_str()), ("node-7", "tollgate"));
    let mut metadata: Vec<_> = node.metadata.expect("metadata").fields.into_iter().collect();
    metadata.sort_by(|a, b| a.0.cmp(&b.0));
    let text = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
    assert_eq!(metadata, [("team".to_owned(), text("b=c")), ("zone".to_owned(), text("a"))]);
    for (name, value) in [("authorization", "Bearer x"), ("x-tenant", "t")] {
        assert_eq!(stream.metadata.get(name).expect(name), value);
    }
    assert!(stream.metadata.get("user-agent").expect("an agent").to_str().expect("text").starts_with("tollgate/"));

    stream.send("v1", "nonce-1", limit(5)).await;
    let answer = stream.request().await;
    assert_eq!(answer.node.expect("a node").id, "node-7");
    assert_eq!((answer.version_info.as_str(), answer.response_nonce.as_str()), ("v1", "nonce-1"));
    assert!(!tollgate.log().iter().any(|line| line.contains("Bearer")), "{:?}", tollgate.log());
}

#[tokio::test]
async fn a_valid_snapshot_is_in_force_when_it_is_acknowledged() {
    let mut ads = Ads::start().await;
    let (tollgate, mut stream, mut client) = started(builder(ads.address), &mut ads, limit(5)).await;
    assert_eq!(service::limit(&mut client).await, Some(5));
    for (version, nonce, wanted) in [("2", "n2", 6), ("2b", "n3", 7), ("3", "", 8)] {
        stream.send(version, nonce, limit(wanted)).await;
        assert_eq!(stream.reply().await, ack(version, nonce));
        assert_eq!(service::limit(&mut client).await, Some(wanted));
    }
    let page = Client::new().get(tollgate.address("debug"), "/rlconfig").await.body;
    assert_eq!(page, "d.k: unit=YEAR requests_per_unit=8, shadow_mode: false, quota_mode: false\n");
    assert_eq!(count(&tollgate, "tollgate_xds_connected").await, 1);
    assert_eq!(count(&tollgate, "tollgate_xds_version_info{version=\"3\"}").await, 1);
    assert_eq!(count(&tollgate, "tollgate_xds_acks_total").await, 4);
    assert_eq!(count(&tollgate, "ratelimit_service_config_load_success").await, 4);
    assert_eq!(tollgate.wait_for_lines("rules loaded", 4).len(), 4);
}

#[tokio::test]
async fn a_bad_snapshot_is_rejected_and_the_old_rules_stay() {
    let mut ads = Ads::start().await;
    let (tollgate, mut stream, mut client) = started(builder(ads.address), &mut ads, limit(5)).await;
    stream.send("2", "n2", bad(9)).await;
    let fault = nack(stream.reply().await, "1", "n2");
    assert_eq!(
        fault,
        "d: descriptors[0].rate_limit.unit: invalid unit `99`; accepted: second, minute, hour, day, week, month, year, \
         in any letter case"
    );
    assert_eq!(service::limit(&mut client).await, Some(5));
    assert_eq!(count(&tollgate, "tollgate_xds_behind").await, 1);
    assert_eq!(count(&tollgate, "ratelimit_service_config_load_error").await, 1);
    assert_eq!(tollgate.wait_for_lines("rules are refused, the former ones stay in force", 1).len(), 1);

    stream.send("3", "n3", limit(6)).await;
    assert_eq!(stream.reply().await, ack("3", "n3"));
    assert_eq!(service::limit(&mut client).await, Some(6));
    assert_eq!(count(&tollgate, "tollgate_xds_behind").await, 0);
    assert_eq!(count(&tollgate, "tollgate_xds_nacks_total").await, 1);
}

#[tokio::test]
async fn every_fault_is_reported_with_its_resource_and_its_path() {
    let mut ads = Ads::start().await;
    let (_tollgate, mut stream, _) = started(builder(ads.address), &mut ads, []).await;
    let with = |change: &dyn Fn(&mut RateLimitPolicy)| {
        let mut rule = rule("k", 1);
        change(rule.rate_limit.as_mut().expect("a limit"));
        rule
    };
    let resources = [
        resource("one", [with(&|limit| limit.unit = 0), rule("", 1)]),
        resource("two", [rule("k", 1), rule("k", 2)]),
        resource("three", [with(&|limit| limit.unlimited = true)]),
        resource(
            "four",
            [with(&|limit| {
                limit.name = "n".to_owned();
                limit.replaces = vec![RateLimitReplace { name: "n".to_owned() }, RateLimitReplace::default()];
            })],
        ),
        of_domain("five", "", []),
        of_domain("", "six", [rule("", 1)]),
    ];
    stream.send("2", "n2", resources).await;
    let fault = nack(stream.reply().await, "1", "n2");
    let wanted = [
        "(no name, domain six): descriptors[0].key: the key is missing or empty: every descriptor needs one",
        "five: domain: the domain is missing or empty: write `domain: NAME`",
        "four: descriptors[0].rate_limit.replaces[0].name: the rule `n` cannot replace itself",
        "four: descriptors[0].rate_limit.replaces[1].name: the name of a rule to replace is missing or empty",
        "one: descriptors[0].rate_limit.unit: the unit is missing; accepted: second, minute, hour, day, week, month, \
         year, in any letter case",
        "one: descriptors[1].key: the key is missing or empty: every descriptor needs one",
        "three: descriptors[0].rate_limit.unit: an unlimited rule has no unit: leave out one of them",
        "two: descriptors[1]: a sibling with key `k` and no value is already in the same list: leave one out",
    ];
    assert_eq!(fault.lines().collect::<Vec<_>>(), wanted);

    let many: Vec<_> = (0..500).map(|_| rule("", 1)).collect();
    stream.send("3", "n3", (0..50).map(|number| resource(&format!("r{number:02}"), many.clone()))).await;
    let fault = nack(stream.reply().await, "1", "n3");
    assert!(fault.len() <= 8 << 10 && fault.starts_with("r00: descriptors[0].key"), "{}", fault.len());
    assert!(fault.lines().last().expect("lines").ends_with(" more"), "{fault}");
}

#[tokio::test]
async fn an_undecodable_response_is_rejected_and_is_no_load() {
    let mut ads = Ads::start().await;
    let (tollgate, mut stream, mut client) = started(builder(ads.address), &mut ads, limit(5)).await;
    let [mut torn] = limit(6);
    torn.value.truncate(torn.value.len() - 1);
    let other = Any { type_url: "type.googleapis.com/envoy.config.listener.v3.Listener".to_owned(), value: Vec::new() };
    stream.send("2", "n2", [torn, other]).await;
    let fault = nack(stream.reply().await, "1", "n2");
    let lines: Vec<_> = fault.lines().collect();
    assert_eq!(lines.len(), 2, "{fault}");
    assert!(lines[0].starts_with("d: failed to decode Protobuf message"), "{fault}");
    assert_eq!(
        lines[1],
        format!(
            "resource 2 of 2: it is a `type.googleapis.com/envoy.config.listener.v3.Listener`; expected `{TYPE_URL}`"
        )
    );
    let response = DiscoveryResponse {
        version_info: "3".to_owned(),
        nonce: "n3".to_owned(),
        type_url: "type.googleapis.com/envoy.config.listener.v3.Listener".to_owned(),
        ..DiscoveryResponse::default()
    };
    stream.sender().send_response(response.clone()).await;
    let fault = nack(stream.reply().await, "1", "n3");
    assert!(fault.starts_with("the response: it is a `type.googleapis.com/envoy.config.listener"), "{fault}");
    // a server that leaves out the response's own type is accepted
    let response = DiscoveryResponse { type_url: String::new(), nonce: "n4".to_owned(), ..response };
    stream.sender().send_response(DiscoveryResponse { resources: limit(7).into(), ..response }).await;
    assert_eq!(stream.reply().await, ack("3", "n4"));
    assert_eq!(service::limit(&mut client).await, Some(7));
    assert_eq!(count(&tollgate, "ratelimit_service_config_load_error").await, 0);
    assert_eq!(count(&tollgate, "ratelimit_service_config_load_success").await, 2);
    assert_eq!(tollgate.wait_for_lines("cannot be decoded", 2).len(), 2);
}

#[tokio::test]
async fn domains_share_a_name_only_where_they_may() {
    let same = || [of_domain("one", "d", [rule("k", 5)]), of_domain("two", "d", [rule("l", 6)])];
    let mut ads = Ads::start().await;
    let (_tollgate, mut stream, _) = started(builder(ads.address), &mut ads, []).await;
    stream.send("2", "n2", same()).await;
    assert_eq!(
        nack(stream.reply().await, "1", "n2"),
        "two: domain: the domain `d` is already in one; MERGE_DOMAIN_CONFIG=true lets several share one"
    );
    let merging = builder(ads.address).env("MERGE_DOMAIN_CONFIG", "true");
    let (_tollgate, _stream, mut client) = started(merging, &mut ads, same()).await;
    assert_eq!(limit_of(&mut client, "d", "k").await, Some(5));
    assert_eq!(limit_of(&mut client, "d", "l").await, Some(6));
}

#[tokio::test]
async fn an_absent_domain_is_removed_and_an_empty_list_is_no_rules() {
    let mut ads = Ads::start().await;
    let both = || [resource("d", [rule("k", 5)]), resource("e", [rule("k", 6)])];
    let (tollgate, mut stream, mut client) = started(builder(ads.address), &mut ads, both()).await;
    assert_eq!(limit_of(&mut client, "e", "k").await, Some(6));
    stream.send("2", "n2", limit(5)).await;
    assert_eq!(stream.reply().await, ack("2", "n2"));
    assert_eq!(limit_of(&mut client, "e", "k").await, None);
    assert_eq!(limit_of(&mut client, "d", "k").await, Some(5));
    stream.send("3", "n3", []).await;
    assert_eq!(stream.reply().await, ack("3", "n3"));
    assert_eq!(limit_of(&mut client, "d", "k").await, None);
    assert_eq!(count(&tollgate, "ratelimit_service_config_load_error").await, 0);
    assert_eq!(count(&tollgate, "tollgate_active_rules").await, 0);
}

#[tokio::test]
async fn the_order_of_resources_does_not_matter_and_equal_rules_are_not_loaded_again() {
    let mut ads = Ads::start().await;
    let rules = || vec![resource("a", [rule("k", 1)]), resource("b", [rule("k", 2)]), resource("c", [rule("k", 3)])];
    let (tollgate, mut stream, _) = started(builder(ads.address), &mut ads, rules()).await;
    let mut turned = rules();
    turned.rotate_left(1);
    stream.send("2", "n2", turned).await;
    assert_eq!(stream.reply().await, ack("2", "n2"));
    until_metric(&tollgate, "tollgate_config_reloads_total{result=\"unchanged\"}", 1.0).await;
    assert_eq!(count(&tollgate, "tollgate_config_reloads_total{result=\"applied\"}").await, 1);
    assert_eq!(count(&tollgate, "tollgate_xds_version_info{version=\"2\"}").await, 1);

    // the newest version is sent when the stream is opened again
    drop(stream);
    assert_eq!(ads.accept().await.request().await.version_info, "2");
}

#[tokio::test]
async fn a_repeated_nonce_is_answered_each_time() {
    let mut ads = Ads::start().await;
    let (_tollgate, mut stream, mut client) = started(builder(ads.address), &mut ads, limit(5)).await;
    stream.send("2", "n1", limit(6)).await;
    assert_eq!(stream.reply().await, ack("2", "n1"));
    stream.send("3", "n1", bad(1)).await;
    nack(stream.reply().await, "2", "n1");
    stream.send("3", "n1", limit(7)).await;
    assert_eq!(stream.reply().await, ack("3", "n1"));
    assert_eq!(service::limit(&mut client).await, Some(7));
}

#[tokio::test]
async fn a_rule_has_every_field_of_the_message() {
    let number = |number| Value { kind: Some(Kind::NumberValue(number)) };
    let text = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
    let metadata = Struct {
        fields: [
            ("n".to_owned(), number(1.5)),
            ("five".to_owned(), number(5.0)),
            ("t".to_owned(), text("5")),
            (
                "list".to_owned(),
                Value { kind: Some(Kind::ListValue(ListValue { values: vec![number(1.0), text("x")] })) },
            ),
            ("null".to_owned(), Value { kind: Some(Kind::NullValue(0)) }),
        ]
        .into(),
    };
    let shadow = RateLimitDescriptor {
        value: "true".to_owned(),
        shadow_mode: true,
        metadata: Some(metadata.clone()),
        rate_limit: Some(RateLimitPolicy { name: "named".to_owned(), ..policy(0) }),
        ..rule("shadow", 0)
    };
    let free = RateLimitPolicy { unlimited: true, ..RateLimitPolicy::default() };
    let free = RateLimitDescriptor { rate_limit: Some(free), ..rule("free", 0) };
    let inner = RateLimitDescriptor { value: "a*".to_owned(), ..rule("inner", 3) };
    let outer = RateLimitDescriptor { rate_limit: None, descriptors: vec![inner], ..rule("outer", 0) };
    let replacing = RateLimitPolicy { replaces: vec![RateLimitReplace { name: "named".to_owned() }], ..policy(9) };
    let replacing = RateLimitDescriptor { rate_limit: Some(replacing), ..rule("replacing", 0) };
    let units = [
        (RateLimitUnit::Second, "SECOND"),
        (RateLimitUnit::Minute, "MINUTE"),
        (RateLimitUnit::Hour, "HOUR"),
        (RateLimitUnit::Day, "DAY"),
        (RateLimitUnit::Week, "WEEK"),
        (RateLimitUnit::Month, "MONTH"),
        (RateLimitUnit::Year, "YEAR"),
    ];
    let mut rules = vec![shadow, free, outer, replacing];
    rules.extend(units.map(|(unit, name)| {
        let policy = RateLimitPolicy { unit: unit.into(), ..policy(2) };
        RateLimitDescriptor { rate_limit: Some(policy), quota_mode: name == "DAY", ..rule(name, 0) }
    }));

    let mut ads = Ads::start().await;
    let with_metadata = builder(ads.address).env("RESPONSE_DYNAMIC_METADATA", "true");
    let (_tollgate, _stream, mut client) = started(with_metadata, &mut ads, [resource("d", rules)]).await;
    let answer = ask(&mut client, request("d", &[&[("shadow", "true")]])).await;
    assert_eq!((codes(&answer), answer.overall_code()), (vec![Code::Ok], Code::Ok), "in shadow");
    assert_eq!(answer.statuses[0].current_limit.as_ref().expect("a limit").name, "named");
    let of_rule = answer.dynamic_metadata.expect("metadata").fields.remove("metadata").expect("the rule's");
    assert_eq!(of_rule.kind, Some(Kind::StructValue(metadata)));
    let answer = ask(&mut client, request("d", &[&[("shadow", "true")], &[("replacing", "")]])).await;
    assert!(answer.statuses[0].current_limit.is_none(), "replaced");
    let answer = ask(&mut client, request("d", &[&[("free", "x")], &[("outer", "x"), ("inner", "abc")]])).await;
    assert_eq!(answer.statuses[0].limit_remaining, u32::MAX);
    assert_eq!(answer.statuses[1].limit_remaining, 2);
    for (_, name) in units {
        let answer = ask(&mut client, request("d", &[&[(name, "")]])).await;
        assert_eq!(answer.statuses[0].current_limit.as_ref().expect(name).unit().as_str_name(), name);
    }
    let mut over = request("d", &[&[("DAY", "")], &[("free", "")]]);
    over.hits_addend = 9;
    assert_eq!(ask(&mut client, over).await.overall_code(), Code::OverLimit, "all quota rules are over");
}
