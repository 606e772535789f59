//! Runs the program and the servers that it measures.

use std::{
    ffi::OsString,
    process::{Command, Stdio},
};

use bench::process::{self, Server};
use serde_json::Value;
use tempfile::TempDir;

const RULES: &str = "domain: d\ndescriptors: [{key: k, rate_limit: {unit: year, requests_per_unit: 4000000000}}]\n";

pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {} {}", self.stdout, self.stderr))
    }
}

pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.args(args);
    command
}

pub fn bench(args: &[&str]) -> Ran {
    let mut command = command(args);
    // `redis-server` is started by its name
    let path = std::env::var_os("PATH").unwrap_or_default();
    let output = command.env_clear().env("PATH", path).stdin(Stdio::null()).output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A Tollgate with a limit that is never reached, and the folder of its rules.
pub fn tollgate(env: &[(&str, &str)]) -> (Server, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("rules.yaml"), RULES).expect("the rules can be written");
    let mut all = vec![("RULES", folder.path().into())];
    all.extend(env.iter().map(|(name, value)| (*name, OsString::from(value))));
    let program = process::built_tollgate().expect("this program has a path");
    let server = process::tollgate(&program, &all).unwrap_or_else(|error| panic!("{error}"));
    (server, folder)
}

pub fn redis(arguments: &[&str]) -> Server {
    process::redis(arguments).unwrap_or_else(|error| panic!("{error}: `bash tests/run.sh` installs it"))
}
