//! Compiles the vendored RLS protocol definitions to a descriptor set, which `/json` and gRPC reflection read at
//! run time (message types themselves come from `envoy-types`; protox makes `protoc` needless), and assembles the
//! files of `lua/` to the one script that Redis runs.

use std::{env, error::Error, fs, path::Path, process::Command};

use prost::Message as _;

/// The files of the script; each uses only those before it.
const SCRIPT: [&str; 6] = ["meter", "fixed_window", "sliding_window", "token_bucket", "group", "driver"];

fn main() -> Result<(), Box<dyn Error>> {
    let out = env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-env=TOLLGATE_COMMIT={}", commit());
    if env::var_os("CARGO_FEATURE_SERVER").is_some() {
        descriptors(Path::new(&out))?;
    }
    if env::var_os("CARGO_FEATURE_REDIS").is_some() {
        script(Path::new(&out))?;
    }
    Ok(())
}

/// The commit this is built from: the variable `TOLLGATE_COMMIT`, which a build without a repository sets, or git's
/// answer. "unknown" in debug builds, which would otherwise be rebuilt after each commit.
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

/// Writes `script.lua`, and sets `TOLLGATE_SCRIPT_SHA1` to the SHA1 by which Redis knows it.
fn script(out: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=lua");
    let mut script = String::new();
    for name in SCRIPT {
        let part = fs::read_to_string(format!("lua/{name}.lua"))?;
        // without comments, since the server keeps the script in memory
        for line in part.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("--")) {
            script.push_str(line);
            script.push('\n');
        }
    }
    fs::write(out.join("script.lua"), &script)?;
    println!("cargo:rustc-env=TOLLGATE_SCRIPT_SHA1={}", sha1_smol::Sha1::from(script).digest());
    Ok(())
}
