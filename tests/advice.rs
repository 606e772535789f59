//! Examples and pages, followed to the letter and attacked by the clients that they limit: no spelling of a path, and no
//! header that a client writes, has a budget of its own.
#![allow(clippy::panic, missing_docs)]

mod support;

use std::{fs, path::Path, time::SystemTime};

use serde_json::{Value, json};
use support::{
    envoy::{self, Config, Envoy},
    eventually,
    http::Client,
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
    ];
    let many = (1..=15).flat_map(|n| [format!("{path}?a={n}"), format!("{path}/?a={n}"), format!("{path};v={n}")]);
    once.into_iter().chain(many).collect()
}

/// The minute that it is.
fn minute() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock past 1970").as_secs() / 60
}

/// Asserts that no more of these requests pass than ten for each minute that takes part in it.
async fn ten_a_minute_pass(envoy: &Envoy, paths: &[String], headers: &[(&str, &str)]) {
    let (client, began) = (Client::new(), minute());
    let mut passed = 0;
    for path in paths {
        let status = client.get_with(envoy.address, path, headers).await.status.as_u16();
        assert!(matches!(status, 200 | 429), "{path}: {status}");
        passed += usize::from(status == 200);
    }
    let most = 10 * (minute() - began + 1) as usize;
    assert!((10..=most).contains(&passed), "{passed} of {} passed a limit of 10 a minute, not {most}", paths.len());
}

/// The example of the README, as it is but for its ports.
async fn example(tollgate: &Tollgate) -> Envoy {
    Envoy::run("envoy.yaml", &envoy::example(tollgate.address("grpc"))).await
}

#[tokio::test]
async fn no_spelling_of_a_path_escapes_the_example() {
    let tollgate = Builder::new().arg("--rules").arg("config/rules").start();
    let envoy = example(&tollgate).await;
    let paths = spellings("/hello");
    ten_a_minute_pass(&envoy, &paths, &[]).await;
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

/// An Envoy that sends what these actions make, and leaves paths one spelling, as the pages say.
async fn behind(tollgate: &Tollgate, upstream: &Upstream, domain: &'static str, actions: Value) -> Envoy {
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
    for setting in ["normalize_path", "merge_slashes", "use_remote_address"] {
        config.insert(setting.to_owned(), json!(true));
    }
    Envoy::run("envoy.json", &bootstrap.to_string()).await
}

fn path_of_each_client() -> Value {
    json!([{"request_headers": {"header_name": ":path", "descriptor_key": "path"}}, {"remote_address": {}}])
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
    ten_a_minute_pass(&envoy, &paths, &[("x-forwarded-for", "10.0.0.1")]).await;
}

/// As docs/rules.md has it below "Paths".
#[tokio::test]
async fn no_spelling_of_a_path_escapes_the_page_on_rules() {
    let page = file("docs/rules.md");
    let (_, block) = page.split_once("```yaml\ndomain: site\n").expect("the rules of the section");
    let rules = format!("domain: site\n{}", block.split("```").next().expect("its end"));
    let tollgate = Tollgate::with_rules(&rules);
    let upstream = Upstream::start().await;
    let envoy = behind(&tollgate, &upstream, "site", path_of_each_client()).await;
    let paths = spellings("/login");
    ten_a_minute_pass(&envoy, &paths, &[]).await;
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
    let envoy = behind(&tollgate, &upstream, "gateway", path).await;
    let paths = spellings("/productpage");
    ten_a_minute_pass(&envoy, &paths, &[]).await;
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
