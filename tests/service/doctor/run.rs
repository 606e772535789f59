//! Runs `tollgate doctor` in the tests' usual environment, with changes.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    process::{Command, Stdio},
};

use tempfile::TempDir;

pub const RULES: &str = "domain: d\ndescriptors:\n  - {key: k, rate_limit: {unit: day, requests_per_unit: 1}}\n";

/// How to run it.
pub struct Doctor {
    env: BTreeMap<&'static str, OsString>,
    args: Vec<String>,
    /// Kept until it has run.
    _rules: TempDir,
}

/// Its result.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A folder with these rules.
pub fn rules_file(content: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("rules.yaml"), content).expect("rules are written");
    folder
}

impl Doctor {
    pub fn new() -> Self {
        let rules = rules_file(RULES);
        let env = [
            ("RULES", rules.path().as_os_str()),
            ("HOST", "127.0.0.1".as_ref()),
            ("PORT", "0".as_ref()),
            ("GRPC_HOST", "127.0.0.1".as_ref()),
            ("GRPC_PORT", "0".as_ref()),
            ("DEBUG_HOST", "127.0.0.1".as_ref()),
            ("DEBUG_PORT", "0".as_ref()),
            ("PROMETHEUS_ADDR", "127.0.0.1:0".as_ref()),
        ];
        let env = env.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        Self { env, args: Vec::new(), _rules: rules }
    }

    pub fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.env.insert(name, value.into());
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.env.remove(name);
        self
    }

    pub fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }

    /// Sets its clock, in libfaketime's notation.
    pub fn clock(self, faketime: &str) -> Self {
        let folders = std::fs::read_dir("/usr/lib").expect("/usr/lib").flatten();
        let mut paths = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1"));
        let library = paths.find(|path| path.exists()).expect("libfaketime: `bash tests/run.sh` installs it");
        self.env("LD_PRELOAD", library).env("FAKETIME", faketime).env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }

    pub fn run(self) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.arg("doctor").args(&self.args).env_clear().envs(&self.env);
        let output = command.stdin(Stdio::null()).output().expect("it runs");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        let code = output.status.code().expect("it is not killed");
        Ran { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ran {
    /// The lines with this name, of which there must be at least one.
    #[track_caller]
    pub fn lines(&self, name: &str) -> Vec<&str> {
        let of = |line: &&str| line.get(6..).is_some_and(|rest| rest.starts_with(&format!("{name}  ")));
        let lines: Vec<_> = self.stdout.lines().filter(of).collect();
        assert!(!lines.is_empty(), "nothing about {name}: {}", self.stdout);
        lines
    }

    /// The only line with this name.
    #[track_caller]
    pub fn line(&self, name: &str) -> &str {
        let lines = self.lines(name);
        assert_eq!(lines.len(), 1, "{lines:#?}");
        lines[0]
    }

    /// Asserts the exit code, and that a line with this name begins with the verdict and has these parts.
    #[track_caller]
    pub fn says(&self, code: i32, name: &str, verdict: &str, parts: &[&str]) {
        let fits = |line: &&str| line.starts_with(verdict) && parts.iter().all(|part| line.contains(part));
        assert!(self.lines(name).iter().any(fits), "no {verdict} {name} with {parts:?}: {}", self.stdout);
        assert_eq!(self.code, code, "{}", self.stdout);
    }
}
