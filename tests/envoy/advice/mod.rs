//! Follows examples and pages to the letter, and attacks them as the clients that they limit: no spelling of a path,
//! and no header that a client writes, has a budget of its own.

mod clients;
mod pages;
mod paths;

use std::{fs, path::Path};

use serde_json::{Value, json};
use testkit::{
    envoy::{self, Config, Envoy},
    process::Tollgate,
    upstream::Upstream,
};

pub fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file of the repository")
}

/// The example of the README, changed only in its ports and in a timeout that a busy machine cannot exceed.
pub async fn example(tollgate: &Tollgate) -> Envoy {
    changed_example(tollgate, str::to_owned).await
}

pub async fn changed_example(tollgate: &Tollgate, change: impl FnOnce(&str) -> String) -> Envoy {
    Envoy::run("envoy.yaml", &change(&envoy::example(tollgate.address("grpc")))).await
}

/// With a load balancer in front of Envoy, as in the comment in the example: a header names the client.
pub fn behind_a_balancer(bootstrap: &str) -> String {
    let changed = bootstrap.replacen(
        "                use_remote_address: true\n",
        "                use_remote_address: true\n                xff_num_trusted_hops: 1\n",
        1,
    );
    assert_ne!(bootstrap, changed);
    changed
}

/// An Envoy that sends what these actions generate, and normalizes paths as the pages recommend.
pub async fn behind(tollgate: &Tollgate, upstream: &Upstream, domain: &'static str, actions: Value) -> Envoy {
    let settings = json!({"normalize_path": true, "merge_slashes": true, "use_remote_address": true, "xff_num_trusted_hops": 1,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT"});
    behind_with(tollgate, upstream, domain, actions, settings).await
}

pub async fn behind_with(
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

pub fn path_of_each_client() -> Value {
    json!([{"request_headers": {"header_name": ":path", "descriptor_key": "path"}},
        {"masked_remote_address": {"v4_prefix_mask_len": 32, "v6_prefix_mask_len": 64}}])
}

/// The values of a ConfigMap, without its manifest.
pub fn rules_of(manifest: &str, name: &str) -> String {
    let (_, rest) = manifest.split_once(&format!("  {name}: |\n")).expect("the rules");
    let lines = rest.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
    lines.map(|line| line.get(4..).unwrap_or_default().to_owned() + "\n").collect()
}
