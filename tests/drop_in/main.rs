//! Files that users of the reference deploy, with this program in the image's place, and our own below deploy/.
//!
//! `manifest` reads them, `pod` runs what they say as Kubernetes would: `istio`, `envoy_gateway` and `ours` are the cases.
#![allow(clippy::panic, clippy::print_stdout, missing_docs, unreachable_pub)]

#[path = "../xds/server.rs"]
#[allow(dead_code, reason = "shared")]
mod ads;
#[path = "../xds/configs.rs"]
#[allow(dead_code, reason = "shared")]
mod configs;
mod ends;
mod envoy_filter;
mod envoy_gateway;
mod envoy_gateway_guide;
mod grafana;
mod guide;
mod isolation;
mod istio;
mod manifest;
mod ours;
mod page;
mod pod;
#[path = "../redis_client/server.rs"]
#[allow(dead_code, reason = "shared")]
mod redis;
mod running;
#[path = "../tls/secret.rs"]
#[allow(dead_code, reason = "shared")]
mod secret;
#[path = "../support/mod.rs"]
mod support;
#[path = "../tls/client.rs"]
#[allow(dead_code, reason = "shared")]
mod tls_client;
mod volume;

use std::process::Command;

/// They are tests only if nobody has bent them.
#[test]
fn the_files_are_as_they_came() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compat");
    let output = Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(folder).output();
    let output = output.expect("sha256sum");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).lines().count() >= 8);
}
