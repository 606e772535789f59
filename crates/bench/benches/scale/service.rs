//! Tollgate with rules that can be replaced, and Redis with `redis-cli`, as this benchmark needs them.

use std::{
    ffi::OsString,
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use bench::{memory, process};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

pub fn program() -> PathBuf {
    process::built_tollgate().expect("this program has a path")
}

/// A service with two workers and rules in its own folder.
pub struct Tollgate {
    server: process::Server,
    rules: TempDir,
}

impl Tollgate {
    pub fn start(rules: &str, env: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("rules.yaml"), rules).expect("the rules can be written");
        let mut all = vec![("RULES", folder.path().into()), ("WORKERS", OsString::from("2"))];
        all.extend(env.iter().map(|(name, value)| (*name, OsString::from(value))));
        let server = process::tollgate(&program(), &all).unwrap_or_else(|error| panic!("{error}"));
        Self { server, rules: folder }
    }

    pub fn grpc(&self) -> SocketAddr {
        self.server.address
    }

    /// The address of a listener, by its name in the log.
    pub fn address(&self, listener: &str) -> SocketAddr {
        let find = || self.server.lines().iter().find_map(|line| process::listener(line, listener));
        eventually(listener, find)
    }

    pub fn pid(&self) -> String {
        self.server.pid().to_string()
    }

    pub fn resident_mib(&self) -> f64 {
        memory::resident(&self.pid()).expect("procfs") as f64 / f64::from(1 << 20)
    }

    /// How many times rules were loaded.
    pub fn loads(&self) -> usize {
        self.server.lines().iter().filter(|line| line.contains("rules loaded")).count()
    }

    /// Waits until rules were loaded more than `before` times.
    pub fn wait_for_load(&self, before: usize) {
        eventually("rules loaded", || (self.loads() > before).then_some(()));
    }

    /// Replaces the rules atomically, as an editor does.
    pub fn write_rules(&self, rules: &str) {
        // written in another folder, because every file of this one is read as rules
        let new = tempfile::NamedTempFile::new_in(self.rules.path().parent().expect("not the root")).expect("a file");
        fs::write(new.path(), rules).expect("the rules can be written");
        new.persist(self.rules.path().join("rules.yaml")).expect("the rules can be replaced");
    }
}

fn eventually<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A Redis without persistence.
pub struct Redis(process::Server);

impl Redis {
    pub fn start() -> Self {
        Self(process::redis(&[]).unwrap_or_else(|error| panic!("{error}")))
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.0.address)
    }

    /// The output of `redis-cli` for a command that must succeed, without the final newline.
    pub fn cli(&self, command: &[&str]) -> String {
        let port = self.0.address.port().to_string();
        let output =
            Command::new("redis-cli").args(["-e", "-p", &port]).args(command).output().expect("redis-cli runs");
        assert!(output.status.success(), "redis-cli {command:?} failed");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }
}
