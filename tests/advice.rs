//! Examples and pages, followed to the letter and attacked by the clients that they limit: no spelling of a path, and no
//! header that a client writes, has a budget of its own.
#![allow(clippy::panic, missing_docs)]

mod support;

use std::{fs, path::Path, time::SystemTime};

use serde_json::{Value, json};
use support::{
    envoy::{self, Config, Envoy},
    eventually,
    http::{Answer, Client},
    process::{Builder, Tollgate},
    upstream::Upstream,
};
use tokio::task::JoinSet;

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file of the repository")
}

/// Ways to write a path, each of which a lenient application takes for the path itself.
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
        // applications on Java servers leave out what follows a `;` in a segment
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

/// The answer to a request, after the redirections that a browser follows.
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

/// The minute that it is.
fn minute() -> usize {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock past 1970");
    usize::try_from(now.as_secs() / 60).expect("a number")
}

/// What a limit of ten a minute lets pass in all minutes that took part.
fn ten_a_minute_since(began: usize) -> usize {
    10 * (minute() - began + 1)
}

/// How many of these requests pass. Each must be one that
/// the limit of ten a minute is about.
async fn passed(envoy: &Envoy, paths: &[String], client_at: impl Fn(usize) -> String) -> usize {
    let client = Client::new();
    let mut passed = 0;
    for (n, path) in paths.iter().enumerate() {
        let answer = answer(&client, envoy, path, &[("x-forwarded-for", &client_at(n))]).await;
        assert!(matches!(answer.status.as_u16(), 200 | 429), "{path}: {}", answer.status);
        let limits = answer.header("x-ratelimit-limit").unwrap_or_default();
        assert!(limits.split(", ").any(|limit| limit.starts_with("10;w=60")), "{path} escapes: {limits:?}");
        passed += usize::from(answer.status == 200);
    }
    passed
}

/// The same client each time.
fn one_client(_: usize) -> String {
    "10.0.0.1".to_owned()
}

/// The example of the README, as it is but for its ports, and a patience that a busy machine cannot exhaust.
async fn example(tollgate: &Tollgate) -> Envoy {
    changed_example(tollgate, str::to_owned).await
}

async fn changed_example(tollgate: &Tollgate, change: impl FnOnce(&str) -> String) -> Envoy {
    Envoy::run("envoy.yaml", &change(&envoy::example(tollgate.address("grpc")))).await
}

#[tokio::test]
async fn no_spelling_of_a_path_escapes_the_example() {
    let tollgate = Builder::new().arg("--rules").arg("config/rules").start();
    // a client each time, so that it is not the limit of each client that holds
    let envoy = changed_example(&tollgate, behind_a_balancer).await;
    let paths = spellings("/hello");
    let began = minute();
    let passed = passed(&envoy, &paths, |n| format!("10.0.{n}.1")).await;
    assert!(
        (10..=ten_a_minute_since(began)).contains(&passed),
        "{passed} of {} passed a limit of 10 a minute",
        paths.len()
    );
}

/// The limit of each client holds whatever it asks for, and whoever it says it is.
#[tokio::test]
async fn no_header_of_a_client_escapes_the_example() {
    let tollgate = Builder::new().arg("--rules").arg("config/rules").start();
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

/// In front of the Envoy is a load balancer, as the comment in the example has it: a header names the client.
fn behind_a_balancer(bootstrap: &str) -> String {
    let changed = bootstrap.replacen(
        "                use_remote_address: true\n",
        "                use_remote_address: true\n                xff_num_trusted_hops: 1\n",
        1,
    );
    assert_ne!(bootstrap, changed);
    changed
}

/// A client has at least a /64 of IPv6, and can use each of its addresses.
#[tokio::test]
async fn no_address_of_a_network_escapes_the_example() {
    let tollgate = Builder::new().arg("--rules").arg("config/rules").start();
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
    assert_eq!(others, [200; 200], "each IPv4 address has");
    let round = std::sync::atomic::AtomicU32::new(0);
    eventually("a 429 for a client that changes its address", async || {
        let round = round.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        burst(&|n| format!("2001:db8:1:2::{round:x}:{n:x}")).await.contains(&429).then_some(())
    })
    .await;
}

/// What the early mutation of the example, and the policy for Envoy Gateway, are for. The filter that is put in stands for an
/// authentication that appends the name it has found.
#[tokio::test]
async fn no_header_of_a_client_stands_before_that_of_the_authentication() {
    let tollgate = Tollgate::with_rules(
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

    // removed by the route, a header is removed when the filters are done
    let too_late = |bootstrap: &str| {
        let route = "domains: [\"*\"]\n                      request_headers_to_remove: [x-user]";
        let late = with(bootstrap).replacen("domains: [\"*\"]", route, 1);
        let late = late.replace("- remove: x-user", "- remove: x-other");
        assert!(late.contains("request_headers_to_remove") && late.contains("x-other"), "{late}");
        late
    };
    assert_eq!(passed_under_other_names(&changed_example(&tollgate, too_late).await, "bo").await, 20, "too late");
}

/// How many of twenty requests of one user pass that have other names before the user's.
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

/// docs/rules.md: a first route that refuses matrix parameters.
#[tokio::test]
async fn a_route_can_refuse_paths_with_matrix_parameters() {
    let tollgate = Builder::new().arg("--rules").arg("config/rules").start();
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

/// What docs/rules.md says that Envoy sends, and which rules match it.
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
    let tollgate = Tollgate::with_rules(&format!("domain: d\ndescriptors:\n{rules}"));
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

/// The example's other paths are limited too, at least as tightly as the limit of each client.
#[tokio::test]
async fn each_path_of_the_rules_is_asked_for_by_the_example() {
    let tollgate = Builder::new().arg("--rules").arg("config/rules").start();
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

/// An Envoy that sends what these actions make, and leaves paths fewer spellings, as the pages say.
async fn behind(tollgate: &Tollgate, upstream: &Upstream, domain: &'static str, actions: Value) -> Envoy {
    let settings = json!({"normalize_path": true, "merge_slashes": true, "use_remote_address": true, "xff_num_trusted_hops": 1,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT"});
    behind_with(tollgate, upstream, domain, actions, settings).await
}

async fn behind_with(
    tollgate: &Tollgate,
    upstream: &Upstream,
    domain: &'static str,
    actions: Value,
    settings: Value,
) -> Envoy {
    let mut bootstrap = envoy::bootstrap(&Config {
        tollgate: tollgate.address("grpc"),
        upstream: upstream.address,
        domain,
        failure_mode_deny: true,
        rate_limits: json!([{ "actions": actions }]),
        timeout: "60s",
    });
    let connections = &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0];
    let config = connections["typed_config"].as_object_mut().expect("a configuration");
    config.extend(settings.as_object().expect("settings").clone());
    Envoy::run("envoy.json", &bootstrap.to_string()).await
}

fn path_of_each_client() -> Value {
    json!([{"request_headers": {"header_name": ":path", "descriptor_key": "path"}},
        {"masked_remote_address": {"v4_prefix_mask_len": 32, "v6_prefix_mask_len": 64}}])
}

/// Requests for a path from as many addresses of one /64.
async fn passed_of_a_network(envoy: &Envoy, path: &str) -> usize {
    let client = Client::new();
    let mut passed = 0;
    for n in 0..40 {
        let from = format!("2001:db8:1:2:{n}::{n}");
        let answer = client.get_with(envoy.address, path, &[("x-forwarded-for", &from)]).await;
        passed += usize::from(answer.status == 200);
    }
    passed
}

/// The values of a ConfigMap, without its manifest.
fn rules_of(manifest: &str, name: &str) -> String {
    let (_, rest) = manifest.split_once(&format!("  {name}: |\n")).expect("the rules");
    let lines = rest.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
    lines.map(|line| line.get(4..).unwrap_or_default().to_owned() + "\n").collect()
}

/// As the comment in the manifest has it.
#[tokio::test]
async fn no_spelling_of_a_path_escapes_the_rules_for_kubernetes() {
    let tollgate = Tollgate::with_rules(&rules_of(&file("deploy/kubernetes/rules.yaml"), "rules.yaml"));
    let upstream = Upstream::start().await;
    let envoy = behind(&tollgate, &upstream, "demo", path_of_each_client()).await;
    let paths = spellings("/login");
    let began = minute();
    let passed = passed(&envoy, &paths, one_client).await;
    assert!(
        (10..=ten_a_minute_since(began)).contains(&passed),
        "{passed} of {} passed a limit of 10 a minute",
        paths.len()
    );
    let began = minute();
    let passed = passed_of_a_network(&envoy, "/login").await;
    assert!(
        (10..=ten_a_minute_since(began)).contains(&passed),
        "{passed} of 40 from one network passed a limit of 10 a minute"
    );
}

fn page_of_paths() -> String {
    let page = file("docs/rules.md");
    let (_, block) = page.split_once("```yaml\ndomain: site\n").expect("the rules of the section");
    format!("domain: site\n{}", block.split("```").next().expect("its end"))
}

/// As docs/rules.md has it below "Paths".
#[tokio::test]
async fn no_spelling_of_a_path_escapes_the_page_on_rules() {
    let tollgate = Tollgate::with_rules(&page_of_paths());
    let upstream = Upstream::start().await;
    let envoy = behind(&tollgate, &upstream, "site", path_of_each_client()).await;
    let paths = spellings("/login");
    let began = minute();
    let passed = passed(&envoy, &paths, one_client).await;
    assert!(
        (10..=ten_a_minute_since(began)).contains(&passed),
        "{passed} of {} passed a limit of 10 a minute",
        paths.len()
    );
}

#[tokio::test]
async fn no_spelling_of_a_path_escapes_the_rules_for_istio() {
    let rules = rules_of(&file("deploy/istio/rules.yaml"), "gateway.yaml");
    // fewer, so that a test is over sooner
    let few = rules.replace("requests_per_unit: 100}", "requests_per_unit: 10}");
    assert_ne!(rules, few);
    let tollgate = Tollgate::with_rules(&few);
    let upstream = Upstream::start().await;
    let path = json!([{"request_headers": {"header_name": ":path", "descriptor_key": "path"}}]);
    // what DECODE_AND_MERGE_SLASHES makes of an Envoy
    let settings = json!({"normalize_path": true, "merge_slashes": true, "path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD"});
    let envoy = behind_with(&tollgate, &upstream, "gateway", path, settings).await;
    let paths = spellings("/productpage");
    let began = minute();
    let passed = passed(&envoy, &paths, one_client).await;
    assert!(
        (10..=ten_a_minute_since(began)).contains(&passed),
        "{passed} of {} passed a limit of 10 a minute",
        paths.len()
    );
}

/// Defence in depth: the rules hold too where the connection manager leaves escaped slashes as they are.
#[tokio::test]
async fn an_escaped_slash_escapes_none_of_the_rules_though_envoy_keeps_it() {
    let kubernetes = rules_of(&file("deploy/kubernetes/rules.yaml"), "rules.yaml");
    let istio = rules_of(&file("deploy/istio/rules.yaml"), "gateway.yaml")
        .replace("requests_per_unit: 100}", "requests_per_unit: 10}");
    let upstream = Upstream::start().await;
    for (rules, domain, path) in
        [(kubernetes, "demo", "/login"), (page_of_paths(), "site", "/login"), (istio, "gateway", "/productpage")]
    {
        let tollgate = Tollgate::with_rules(&rules);
        let actions = match domain {
            "gateway" => json!([{"request_headers": {"header_name": ":path", "descriptor_key": "path"}}]),
            _ => path_of_each_client(),
        };
        let settings = json!({"normalize_path": true, "merge_slashes": true, "use_remote_address": true});
        let envoy = behind_with(&tollgate, &upstream, domain, actions, settings).await;
        let paths = spellings(path);
        let began = minute();
        let passed = passed(&envoy, &paths, one_client).await;
        assert!(
            (10..=ten_a_minute_since(began)).contains(&passed),
            "{domain}: {passed} of {} passed a limit of 10 a minute",
            paths.len()
        );
    }
}

/// docs/hot-reload.md: a fixed window counts what it denies.
#[tokio::test]
async fn a_raised_limit_frees_a_denied_caller_where_denied_hits_are_not_counted() {
    let rules = |limit: u32| {
        format!(
            "domain: d\ndescriptors:\n  - {{key: counts, rate_limit: {{unit: year, requests_per_unit: {limit}}}}}\n  \
             - {{key: free, rate_limit: {{unit: year, requests_per_unit: {limit}, count_denied: false}}}}\n  \
             - {{key: reloaded, rate_limit: {{unit: year, requests_per_unit: {limit}}}}}\n"
        )
    };
    let tollgate = Tollgate::with_rules(&rules(2));
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
async fn what_a_flag_of_a_parent_means_for_what_is_nested() {
    let tollgate = Tollgate::with_rules(
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
    // the parent's value is part of the counter's name, so the same one is asked for
    let shy = async || {
        let entries = json!([{"key": "shy", "value": "v"}, {"key": "user", "value": "u"}]);
        let body = json!({"domain": "d", "descriptors": [{"entries": entries}]}).to_string();
        client.post(http, "/json", &body).await.status.as_u16()
    };
    assert_eq!([shy().await, shy().await, shy().await], [200, 200, 429], "shadow mode is not inherited");
}
