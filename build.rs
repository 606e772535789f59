//! Compiles the vendored RLS protocol definitions into a descriptor set, which `/json` and gRPC reflection read at
//! run time (the message types themselves come from `envoy-types`; protox replaces `protoc`).

use std::{env, error::Error, fs, path::Path, process::Command};

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    let out = env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-env=TOLLGATE_COMMIT={}", commit());
    descriptors(Path::new(&out))?;
    Ok(())
}

/// The commit that this is built from: the variable `TOLLGATE_COMMIT`, which a build without a repository sets, or
/// git's HEAD. "unknown" in a debug build without that variable, which would otherwise be rebuilt after each commit.
fn commit() -> String {
    println!("cargo:rerun-if-env-changed=TOLLGATE_COMMIT");
    if let Some(commit) = env::var("TOLLGATE_COMMIT").ok().filter(|commit| !commit.trim().is_empty()) {
        return commit.trim().chars().take(40).filter(|c| !c.is_control()).collect();
    }
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    if env::var("PROFILE").as_deref() != Ok("release") {
        return "unknown".to_owned();
    }
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists()) {
        println!("cargo:rerun-if-changed={log}");
    }
    git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned())
}

fn descriptors(out: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["envoy/service/ratelimit/v3/rls.proto"], ["proto"])?;
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    Ok(())
}
