//! The files that users of the reference deploy, with this program instead of the reference's image, and our own in
//! deploy/.
//!
//! `manifest` reads them, and `pod` runs them as Kubernetes would; `istio`, `envoy_gateway` and `ours` are the cases.

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
mod running;
mod volume;

use std::process::Command;

/// They are meaningful tests only if the files are unmodified.
#[test]
fn the_files_are_unmodified() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compat");
    let output = Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(folder).output();
    let output = output.expect("sha256sum");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).lines().count() >= 8);
}
