//! No header that a client writes, and no address that it has, gives it a budget of its own.

use serde_json::json;
use tokio::task::JoinSet;

use crate::advice::{behind, behind_a_balancer, changed_example, example, path_of_each_client};
use testkit::{envoy::Envoy, eventually, http::Client, upstream::Upstream};

/// The limit of each client holds for any path, and for any identity that the client claims.
#[tokio::test]
async fn no_header_of_a_client_escapes_the_example() {
    let tollgate = testkit::tollgate!().arg("--rules").arg("config/rules").start();
    let envoy = example(&tollgate).await;
    let (client, address) = (Client::new(), envoy.address);
    let round = std::sync::atomic::AtomicU32::new(0);
    eventually("a 429 for a client that changes its name", async || {
        let round = round.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut burst = JoinSet::new();
        for n in 0..200 {
            let client = client.clone();
            burst.spawn(async move {
                let (user, from) = (format!("user{round}.{n}"), format!("10.{}.{}.1", round % 256, n % 256));
                let headers = [("x-user", user.as_str()), ("x-forwarded-for", &from)];
                client.get_with(address, &format!("/any/{round}/{n}"), &headers).await.status.as_u16()
            });
        }
        burst.join_all().await.contains(&429).then_some(())
    })
    .await;
}

/// A client has at least a /64 of IPv6, and can use each of its addresses.
#[tokio::test]
async fn no_address_of_a_network_escapes_the_example() {
    let tollgate = testkit::tollgate!().arg("--rules").arg("config/rules").start();
    let envoy = changed_example(&tollgate, behind_a_balancer).await;
    let (client, address) = (Client::new(), envoy.address);
    let burst = async |from: &dyn Fn(u32) -> String| {
        let mut burst = JoinSet::new();
        for n in 0..200 {
            let (client, from) = (client.clone(), from(n));
            burst.spawn(async move {
                client.get_with(address, "/any", &[("x-forwarded-for", &from)]).await.status.as_u16()
            });
        }
        burst.join_all().await
    };
    let others = burst(&|n| format!("2001:db8:2:{n:x}::1")).await;
    assert_eq!(others, [200; 200], "each network has a limit of its own");
    let others = burst(&|n| format!("10.0.0.{n}")).await;
    assert_eq!(others, [200; 200], "so does each IPv4 address");
    let round = std::sync::atomic::AtomicU32::new(0);
    eventually("a 429 for a client that changes its address", async || {
        let round = round.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        burst(&|n| format!("2001:db8:1:2::{round:x}:{n:x}")).await.contains(&429).then_some(())
    })
    .await;
}

/// Tests the early header mutation of the example, and the policy for Envoy Gateway. The inserted filter stands for an
/// authentication that appends the name it has found.
#[tokio::test]
async fn no_header_of_a_client_precedes_that_of_the_authentication() {
    let tollgate = testkit::tollgate!(
        "domain: demo\ndescriptors: [{key: x-user, rate_limit: {unit: year, requests_per_unit: 10}}]\n",
    );
    let authentication = r#"                http_filters:
                  - name: authentication
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
                      mutations:
                        request_mutations:
                          - append:
                              header: {key: x-user, value: "%REQ(x-token)%"}
                              append_action: APPEND_IF_EXISTS_OR_ADD
"#;
    let with = |bootstrap: &str| bootstrap.replacen("                http_filters:\n", authentication, 1);
    assert_eq!(passed_under_other_names(&changed_example(&tollgate, with).await, "al").await, 10, "of a limit of 10");

    // a header that the route removes is removed only after the filters
    let too_late = |bootstrap: &str| {
        let route = "domains: [\"*\"]\n                      request_headers_to_remove: [x-user]";
        let late = with(bootstrap).replacen("domains: [\"*\"]", route, 1);
        let late = late.replace("- remove: x-user", "- remove: x-other");
        assert!(late.contains("request_headers_to_remove") && late.contains("x-other"), "{late}");
        late
    };
    assert_eq!(passed_under_other_names(&changed_example(&tollgate, too_late).await, "bo").await, 20, "too late");
}

/// How many of twenty requests of one user pass, each with another name in front of the user's.
async fn passed_under_other_names(envoy: &Envoy, user: &str) -> usize {
    let client = Client::new();
    let mut passed = 0;
    for n in 0..20 {
        let (own, other) = (format!("user{n}"), format!("other{n}"));
        let headers = [("x-token", user), ("x-user", &*own), ("X-User", &*other)];
        passed += usize::from(client.get_with(envoy.address, "/any", &headers).await.status == 200);
    }
    passed
}

/// What Envoy sends according to docs/rules.md, and which rules match it.
#[tokio::test]
async fn a_masked_address_has_a_prefix_length_and_is_in_networks() {
    let rule = |value: &str, limit: u32| {
        format!("  - {{key: masked_remote_address, {value}, rate_limit: {{unit: day, requests_per_unit: {limit}}}}}\n")
    };
    let rules: String = [
        ("value: 192.0.2.7/32", 1_001),
        ("value: 192.0.2.8", 1_002),
        ("value: '2001:db8:1:2::/64'", 1_003),
        ("cidr: 192.0.2.8", 1_004),
        ("cidr: ['2001:db8:3::/48', '192.0.3.0/24']", 1_005),
        ("cidr: '2001:db8:4::1'", 1_006),
        ("value: ~", 1_007),
    ]
    .iter()
    .map(|(value, limit)| rule(value, *limit))
    .collect();
    let tollgate = testkit::tollgate!(&format!("domain: d\ndescriptors:\n{rules}"));
    let upstream = Upstream::start().await;
    let action = path_of_each_client()[1].take();
    let envoy = behind(&tollgate, &upstream, "d", json!([action])).await;
    let client = Client::new();
    for (from, limit) in [
        ("192.0.2.7", 1_001),
        ("192.0.2.8", 1_004),
        ("192.0.3.255", 1_005),
        ("192.0.4.1", 1_007),
        ("2001:db8:1:2:3:4:5:6", 1_003),
        ("2001:db8:3:ffff::1", 1_005),
        ("2001:db8:4::1", 1_007),
    ] {
        let answer = client.get_with(envoy.address, "/", &[("x-forwarded-for", from)]).await;
        let shown = answer.header("x-ratelimit-limit").expect("a limit");
        assert!(shown.starts_with(&format!("{limit}, ")), "{from}: {shown}");
    }
}
