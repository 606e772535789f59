//! No spelling of a path has a budget of its own.

use std::time::SystemTime;

use serde_json::json;

use crate::advice::{
    behind, behind_a_balancer, behind_with, changed_example, example, file, path_of_each_client, rules_of,
};
use testkit::{
    envoy::Envoy,
    eventually,
    http::{Answer, Client},
    upstream::Upstream,
};

/// Ways to write a path that a lenient application treats as the same path.
fn spellings(path: &str) -> Vec<String> {
    let name = path.trim_start_matches('/');
    let (first, rest) = name.split_at(1);
    let escaped = format!("/%{:02x}{rest}", first.as_bytes()[0]);
    let once = [
        path.to_owned(),
        format!("{path}/"),
        path.to_uppercase(),
        format!("/{}{rest}", first.to_uppercase()),
        format!("/{path}"),
        format!("//{path}"),
        format!("/.{path}"),
        format!("/x/..{path}"),
        format!("/x/%2e%2e{path}"),
        format!("{path}/."),
        format!("{path}?"),
        format!("{path}/?a=1"),
        format!("{path};v=1"),
        format!("{path}%20"),
        format!("{path}.json"),
        escaped,
        format!("/%2f{name}"),
        format!("/%2F{name}?a=1"),
        format!("/%2f%2F{name}"),
        format!("/%5c{name}"),
        format!("/%5C{name}/"),
        format!("/x%2f..%2f{name}"),
        // applications on Java servers ignore the part of a segment after `;`
        format!("/;a/{name}"),
        format!("/;a=1;b/{name}"),
        format!("/x/..;/{name}"),
        format!("/x/..;a/;b/{}", name.to_uppercase()),
        format!("/.;/{name}"),
        format!("/x/%2e%2e;/{name}"),
        format!("/x/..%3b/{name}"),
        format!("/%3ba/{name}"),
    ];
    let many = (1..=15).flat_map(|n| {
        let after = [format!("{path}?a={n}"), format!("{path}/?a={n}"), format!("{path};v={n}")];
        let before = [
            format!("/%2f{name}?a={n}"),
            format!("/%5c{name}?a={n}"),
            format!("/x{n}/..;/{name}"),
            format!("/;{n}/{name}"),
        ];
        after.into_iter().chain(before)
    });
    once.into_iter().chain(many).collect()
}

/// The answer to a request, after following redirects like a browser.
async fn answer(client: &Client, envoy: &Envoy, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut path = path.to_owned();
    for _ in 0..5 {
        let answer = client.get_with(envoy.address, &path, headers).await;
        if answer.status != 307 {
            return answer;
        }
        path = answer.header("location").expect("where to").to_owned();
    }
    panic!("redirected without an end: {path}")
}

/// The current minute.
fn minute() -> usize {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock past 1970");
    usize::try_from(now.as_secs() / 60).expect("a number")
}

fn assert_ten_a_minute(passed: usize, of: usize, began: usize) {
    let most = 10 * (minute() - began + 1);
    assert!((10..=most).contains(&passed), "{passed} of {of} passed a limit of 10 a minute, not {most}");
}

/// Asserts that ten of these requests pass in each minute in which the test runs. A limit of ten per minute must apply
/// to each.
async fn ten_a_minute_pass(envoy: &Envoy, paths: &[String], client_at: impl Fn(usize) -> String) {
    let (client, began) = (Client::new(), minute());
    let mut passed = 0;
    for (n, path) in paths.iter().enumerate() {
        let answer = answer(&client, envoy, path, &[("x-forwarded-for", &client_at(n))]).await;
        assert!(matches!(answer.status.as_u16(), 200 | 429), "{path}: {}", answer.status);
        let limits = answer.header("x-ratelimit-limit").unwrap_or_default();
        assert!(limits.split(", ").any(|limit| limit.starts_with("10;w=60")), "{path} escapes: {limits:?}");
        passed += usize::from(answer.status == 200);
    }
    assert_ten_a_minute(passed, paths.len(), began);
}

/// Always the same client.
fn one_client(_: usize) -> String {
    "10.0.0.1".to_owned()
}

/// Asserts the same of requests for a path from as many addresses of one /64.
async fn of_a_network_ten_a_minute_pass(envoy: &Envoy, path: &str) {
    const ADDRESSES: usize = 40;
    let (client, began) = (Client::new(), minute());
    let mut passed = 0;
    for n in 0..ADDRESSES {
        let from = format!("2001:db8:1:2:{n}::{n}");
        let answer = client.get_with(envoy.address, path, &[("x-forwarded-for", &from)]).await;
        passed += usize::from(answer.status == 200);
    }
    assert_ten_a_minute(passed, ADDRESSES, began);
}

fn page_of_paths() -> String {
    let page = file("docs/rules.md");
    let (_, block) = page.split_once("```yaml\ndomain: site\n").expect("the rules of the section");
    format!("domain: site\n{}", block.split("```").next().expect("its end"))
}

#[tokio::test]
async fn no_spelling_of_a_path_escapes_the_example() {
    let tollgate = testkit::tollgate!().arg("--rules").arg("config/rules").start();
    // a different client each time, so that the limit of each client does not apply
    let envoy = changed_example(&tollgate, behind_a_balancer).await;
    let paths = spellings("/hello");
    ten_a_minute_pass(&envoy, &paths, |n| format!("10.0.{n}.1")).await;
}

/// According to the comment in the manifest.
#[tokio::test]
async fn no_spelling_of_a_path_escapes_the_rules_for_kubernetes() {
    let tollgate = testkit::tollgate!(&rules_of(&file("deploy/kubernetes/rules.yaml"), "rules.yaml"));
    let upstream = Upstream::start().await;
    let envoy = behind(&tollgate, &upstream, "demo", path_of_each_client()).await;
    let paths = spellings("/login");
    ten_a_minute_pass(&envoy, &paths, one_client).await;
    of_a_network_ten_a_minute_pass(&envoy, "/login").await;
}

/// According to docs/rules.md, section "Paths".
#[tokio::test]
async fn no_spelling_of_a_path_escapes_the_page_on_rules() {
    let tollgate = testkit::tollgate!(&page_of_paths());
    let upstream = Upstream::start().await;
    let envoy = behind(&tollgate, &upstream, "site", path_of_each_client()).await;
    let paths = spellings("/login");
    ten_a_minute_pass(&envoy, &paths, one_client).await;
}

#[tokio::test]
async fn no_spelling_of_a_path_escapes_the_rules_for_istio() {
    let rules = rules_of(&file("deploy/istio/rules.yaml"), "gateway.yaml");
    // fewer, so that the test is faster
    let few = rules.replace("requests_per_unit: 100}", "requests_per_unit: 10}");
    assert_ne!(rules, few);
    let tollgate = testkit::tollgate!(&few);
    let upstream = Upstream::start().await;
    let path = json!([{"request_headers": {"header_name": ":path", "descriptor_key": "path"}}]);
    // the effect of DECODE_AND_MERGE_SLASHES in Envoy
    let settings = json!({"normalize_path": true, "merge_slashes": true, "path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD"});
    let envoy = behind_with(&tollgate, &upstream, "gateway", path, settings).await;
    let paths = spellings("/productpage");
    ten_a_minute_pass(&envoy, &paths, one_client).await;
}

/// Defence in depth: the rules hold even if the connection manager leaves escaped slashes as they are.
#[tokio::test]
async fn an_escaped_slash_that_envoy_keeps_escapes_none_of_the_rules() {
    let kubernetes = rules_of(&file("deploy/kubernetes/rules.yaml"), "rules.yaml");
    let istio = rules_of(&file("deploy/istio/rules.yaml"), "gateway.yaml")
        .replace("requests_per_unit: 100}", "requests_per_unit: 10}");
    let upstream = Upstream::start().await;
    for (rules, domain, path) in
        [(kubernetes, "demo", "/login"), (page_of_paths(), "site", "/login"), (istio, "gateway", "/productpage")]
    {
        let tollgate = testkit::tollgate!(&rules);
        let actions = match domain {
            "gateway" => json!([{"request_headers": {"header_name": ":path", "descriptor_key": "path"}}]),
            _ => path_of_each_client(),
        };
        let settings = json!({"normalize_path": true, "merge_slashes": true, "use_remote_address": true});
        let envoy = behind_with(&tollgate, &upstream, domain, actions, settings).await;
        let paths = spellings(path);
        ten_a_minute_pass(&envoy, &paths, one_client).await;
    }
}

/// docs/rules.md: a first route that rejects matrix parameters.
#[tokio::test]
async fn a_route_can_reject_paths_with_matrix_parameters() {
    let tollgate = testkit::tollgate!().arg("--rules").arg("config/rules").start();
    let page = file("docs/rules.md");
    let (_, rest) = page.split_once("a first route with\n`match: ").expect("the advice");
    let (matched, rest) = rest.split_once("` and `direct_response: ").expect("and its answer");
    let answer = rest.split('`').next().expect("its end");
    let refusing = |bootstrap: &str| {
        let routes = "                      routes:\n";
        let route = format!(
            "{routes}                        - match: {matched}\n                          direct_response: {answer}\n"
        );
        bootstrap.replacen(routes, &route, 1)
    };
    let envoy = changed_example(&tollgate, refusing).await;
    let client = Client::new();
    for (path, status) in
        [("/;a/hello", 400), ("/x/%2e%2e;/hello", 400), ("/x;", 400), ("/a%3B/b", 400), ("/x?a=;", 200), ("/x", 200)]
    {
        assert_eq!(client.get(envoy.address, path).await.status, status, "{path}");
    }
}

/// The example's other paths are limited too, at least as tightly as the limit of each client.
#[tokio::test]
async fn each_path_of_the_rules_is_asked_for_by_the_example() {
    let tollgate = testkit::tollgate!().arg("--rules").arg("config/rules").start();
    let envoy = example(&tollgate).await;
    for (path, limit) in [("/upload", "5;w=1"), ("/api/x", "60;w=60"), ("/api", "60;w=60"), ("/hello", "10;w=60")] {
        let shown = eventually("headers", async || {
            let answer = Client::new().get(envoy.address, path).await;
            answer.header("x-ratelimit-limit").map(str::to_owned)
        })
        .await;
        assert!(shown.split(", ").any(|one| one.starts_with(limit)), "{path}: {shown}");
    }
}
