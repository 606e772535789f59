//! A Redis server for one test, controlled by `redis-cli`.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{PATIENCE, ports::free_port};

/// A running server on a loopback TCP port and on a unix socket. Killed when dropped.
pub struct Redis {
    child: Child,
    pub directory: TempDir,
    pub port: u16,
    arguments: Vec<String>,
    /// The network namespace of the server; `None` for the test's own.
    namespace: Option<String>,
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.signal("CONT");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Redis {
    /// Starts a server with these arguments in addition to the common ones.
    pub fn start(arguments: &[&str]) -> Self {
        for _ in 0..20 {
            let directory = tempfile::tempdir().expect("a directory");
            if let Some(redis) = Self::try_start(directory, free_port(), arguments) {
                return redis;
            }
        }
        panic!("redis-server does not start: `bash tests/run.sh` installs it");
    }

    /// Starts a server in a network namespace, in which all ports are free. Its unix socket can be reached from here.
    pub fn start_in(namespace: &str, port: u16, arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut redis = Self::of(directory, port, arguments, Some(namespace.to_owned()));
        assert!(redis.listens(), "redis-server does not start in {namespace}");
        redis
    }

    /// Starts a server; `None` if another process has taken the port meanwhile.
    pub fn try_start(directory: TempDir, port: u16, arguments: &[&str]) -> Option<Self> {
        let mut redis = Self::of(directory, port, arguments, None);
        redis.listens().then_some(redis)
    }

    fn of(directory: TempDir, port: u16, arguments: &[&str], namespace: Option<String>) -> Self {
        let child = spawn(&directory, port, arguments, namespace.as_deref());
        let arguments = arguments.iter().map(|&text| text.to_owned()).collect();
        Self { child, directory, port, arguments, namespace }
    }

    /// Kills the server, as in a power failure.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child");
        self.child.wait().expect("a child");
        let _ = fs::remove_file(self.socket());
    }

    /// Starts the server again, on the same port.
    pub fn start_again(&mut self) {
        let arguments: Vec<_> = self.arguments.iter().map(String::as_str).collect();
        self.child = spawn(&self.directory, self.port, &arguments, self.namespace.as_deref());
        assert!(self.listens(), "a server does not start again");
    }

    fn listens(&mut self) -> bool {
        let since = Instant::now();
        loop {
            if self.try_cli(&["PING"]).is_some() {
                return true;
            }
            if self.child.try_wait().expect("a child").is_some() {
                return false;
            }
            assert!(since.elapsed() < PATIENCE, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// The output of `redis-cli` for a command that must succeed, without the final newline.
    pub fn cli(&self, command: &[&str]) -> String {
        self.try_cli(command).unwrap_or_else(|| panic!("redis-cli {command:?} failed"))
    }

    /// The same; `None` if the command failed.
    pub fn try_cli(&self, command: &[&str]) -> Option<String> {
        let output = Command::new("redis-cli")
            .arg("-e")
            .arg("-s")
            .arg(self.socket())
            .args(command)
            .stdin(Stdio::null())
            .output()
            .expect("redis-cli");
        // it also fails if the command is rejected; a server with a password still listens
        let text = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        (output.status.success() || String::from_utf8_lossy(&output.stderr).contains("NOAUTH")).then_some(text)
    }

    /// The keys of all counters, without the keys of the counting self-test.
    pub fn counters(&self) -> Vec<String> {
        let keys = self.cli(&["KEYS", "*"]);
        keys.lines().filter(|key| !key.is_empty() && !key.contains("{|probe=")).map(str::to_owned).collect()
    }

    /// How often a command ran, according to `INFO commandstats`.
    pub fn calls(&self, command: &str) -> u64 {
        self.command_stat(command, "calls=")
    }

    /// How often a command was rejected before it ran.
    pub fn rejected(&self, command: &str) -> u64 {
        self.command_stat(command, "rejected_calls=")
    }

    fn command_stat(&self, command: &str, field: &str) -> u64 {
        let stats = self.cli(&["INFO", "commandstats"]);
        let prefix = format!("cmdstat_{command}:");
        let fields = stats.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default();
        let number = fields.split(',').find_map(|one| one.strip_prefix(field));
        number.map_or(0, |number| number.trim().parse().expect("a number"))
    }

    /// Whether a replica has acknowledged an offset. Until then the server does not send its writes to the replica,
    /// whatever both report about their link.
    pub fn feeds_a_replica(&self, options: &[&str]) -> bool {
        let info = self.cli(&[options, &["INFO", "replication"]].concat());
        info.contains("state=online") && !info.contains("state=online,offset=0,")
    }

    /// Sends the server a signal.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .stderr(Stdio::null())
            .status();
        assert!(status.expect("kill").success() || name == "CONT");
    }
}

fn spawn(directory: &TempDir, port: u16, arguments: &[&str], namespace: Option<&str>) -> Child {
    let log = fs::File::create(directory.path().join("log")).expect("a log");
    let program = std::env::var("TOLLGATE_TEST_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
    let mut command = match namespace {
        None => Command::new(program),
        Some(namespace) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", namespace, &program]);
            command
        }
    };
    let arguments = match arguments.split_first() {
        Some((&"--sentinel", rest)) => {
            command.arg(directory.path().join("sentinel.conf")).arg("--sentinel");
            rest
        }
        _ => {
            command.args(["--save", "", "--appendonly", "no"]);
            arguments
        }
    };
    command
        .args(["--bind", "127.0.0.1", "--unixsocket"])
        .arg(directory.path().join("socket"))
        .arg("--dir")
        .arg(directory.path());
    if !arguments.contains(&"--port") {
        command.arg("--port").arg(port.to_string());
    }
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(log.try_clone().expect("a log"))
        .stdout(log)
        .spawn()
        .expect("redis-server: `bash tests/run.sh` installs it")
}
