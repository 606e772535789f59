//! What pages say about raised limits and about flags.

use serde_json::json;

use testkit::{eventually, http::Client};

/// docs/hot-reload.md: a fixed window counts denied hits.
#[tokio::test]
async fn a_raised_limit_frees_a_denied_caller_where_denied_hits_are_not_counted() {
    let rules = |limit: u32| {
        format!(
            "domain: d\ndescriptors:\n  - {{key: counts, rate_limit: {{unit: year, requests_per_unit: {limit}}}}}\n  \
             - {{key: free, rate_limit: {{unit: year, requests_per_unit: {limit}, count_denied: false}}}}\n  \
             - {{key: reloaded, rate_limit: {{unit: year, requests_per_unit: {limit}}}}}\n"
        )
    };
    let tollgate = testkit::tollgate!(&rules(2));
    let (client, http) = (Client::new(), tollgate.address("http"));
    let ask = async |key: &str| {
        let body = json!({"domain": "d", "descriptors": [{"entries": [{"key": key, "value": "v"}]}]});
        client.post(http, "/json", &body.to_string()).await
    };
    for key in ["counts", "free"] {
        for n in 0..10 {
            assert_eq!(ask(key).await.status, if n < 2 { 200 } else { 429 }, "{key} {n}");
        }
    }
    tollgate.write_rules(&rules(5));
    eventually("the new limit", async || ask("reloaded").await.body.contains("\"requestsPerUnit\":5").then_some(()))
        .await;
    assert_eq!(ask("counts").await.status, 429, "ten hits are above five");
    assert_eq!(ask("free").await.status, 200, "two hits are not");
}

/// docs/rules.md, "Flags and what is nested".
#[tokio::test]
async fn what_a_flag_means_for_nested_descriptors() {
    let tollgate = testkit::tollgate!(
        "domain: d
descriptors:
  - key: path
    value: /a*
    share_threshold: true
    descriptors: [{key: user, rate_limit: {unit: year, requests_per_unit: 2}}]
  - key: own
    value: /a*
    descriptors: [{key: user, rate_limit: {unit: year, requests_per_unit: 2}}]
  - key: shy
    shadow_mode: true
    descriptors: [{key: user, rate_limit: {unit: year, requests_per_unit: 2}}]
",
    );
    let (client, http) = (Client::new(), tollgate.address("http"));
    let statuses = async |key: &str| {
        let mut statuses = Vec::new();
        for n in 0..4 {
            let entries = json!([{"key": key, "value": format!("/a{n}")}, {"key": "user", "value": "u"}]);
            let body = json!({"domain": "d", "descriptors": [{"entries": entries}]}).to_string();
            statuses.push(client.post(http, "/json", &body).await.status.as_u16());
        }
        statuses
    };
    assert_eq!(statuses("path").await, [200, 200, 429, 429], "one counter for all paths");
    assert_eq!(statuses("own").await, [200; 4], "one for each");
    // the parent's value is part of the counter's key, so the test uses the same one
    let shy = async || {
        let entries = json!([{"key": "shy", "value": "v"}, {"key": "user", "value": "u"}]);
        let body = json!({"domain": "d", "descriptors": [{"entries": entries}]}).to_string();
        client.post(http, "/json", &body).await.status.as_u16()
    };
    assert_eq!([shy().await, shy().await, shy().await], [200, 200, 429], "shadow mode is not inherited");
}
