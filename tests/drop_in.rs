//! Istio's sample of envoyproxy/ratelimit, with this program in the image's place.
#![allow(clippy::panic, missing_docs)]

mod support;

use std::{fs, os::unix::fs::symlink};

use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use support::{
    process::Builder,
    rls::{ask, client, request},
};

const SERVICE: &str = include_str!("compat/istio/rate-limit-service.yaml");
const CONFIG_MAP: &str = include_str!("compat/istio/rate-limit-configmap.yaml");

/// The environment that the deployment gives its container. The manifest's shape is fixed, so its lines say enough.
fn environment() -> Vec<(String, String)> {
    let container = SERVICE.split_once("/bin/ratelimit").expect("the container").1;
    let (_, env) = container.split_once("env:\n").expect("its environment");
    let (env, _) = env.split_once("ports:").expect("what follows");
    let mut lines = env.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut pairs = Vec::new();
    while let Some(name) = lines.next() {
        let name = name.strip_prefix("- name: ").expect("a name");
        let value = lines.next().and_then(|line| line.strip_prefix("value: ")).expect("a value");
        pairs.push((name.to_owned(), value.trim_matches('"').to_owned()));
    }
    pairs
}

/// The one file of the ConfigMap.
fn config() -> String {
    let (_, indented) = CONFIG_MAP.split_once("  config.yaml: |\n").expect("the file");
    indented.lines().map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect()
}

#[tokio::test]
async fn the_istio_sample_is_served_unchanged() {
    let env = environment();
    assert_eq!(env.len(), 10, "{env:?}");
    assert!(env.contains(&("RUNTIME_ROOT".to_owned(), "/data".to_owned())), "{env:?}");

    // the volume as the kubelet lays it out at RUNTIME_ROOT/ratelimit/config
    let root = tempfile::tempdir().expect("a folder");
    let volume = root.path().join("ratelimit/config");
    fs::create_dir_all(volume.join("..2026_11_23")).expect("directories");
    fs::write(volume.join("..2026_11_23/config.yaml"), config()).expect("written");
    symlink("..2026_11_23", volume.join("..data")).expect("a link");
    symlink("..data/config.yaml", volume.join("config.yaml")).expect("a link");

    // only what the test's machine dictates is changed: the root, the ports, and the store that is not there yet
    let mut builder = Builder::new();
    for (name, value) in &env {
        builder = builder.env(name, value);
    }
    let tollgate = builder.env("RUNTIME_ROOT", root.path()).env("BACKEND_TYPE", "memory").start();
    assert!(tollgate.address("grpc").is_ipv6() && tollgate.address("http").is_ipv6(), "HOST is ::");
    let port = tollgate.address("grpc").port();
    let mut client = client(([127, 0, 0, 1], port).into());

    // 1 a minute; the second call may fall in the next minute, the third cannot be in a third one
    let mut codes = Vec::new();
    while codes.last() != Some(&Code::OverLimit) && codes.len() < 3 {
        let answer = ask(&mut client, request("echo-ratelimit", &[&[("PATH", "/")]])).await;
        let limit = answer.statuses[0].current_limit.as_ref().expect("a limit");
        assert_eq!((limit.requests_per_unit, limit.unit().as_str_name()), (1, "MINUTE"));
        codes.push(answer.overall_code());
    }
    assert_eq!((codes.first(), codes.last()), (Some(&Code::Ok), Some(&Code::OverLimit)), "{codes:?}");
    let other = ask(&mut client, request("echo-ratelimit", &[&[("PATH", "/other")]])).await;
    assert_eq!(other.statuses[0].current_limit.as_ref().map(|limit| limit.requests_per_unit), Some(100));
    assert_eq!(other.overall_code(), Code::Ok);
}
