//! Tollgate as users run it: a process with an environment.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use super::PATIENCE;

/// The command line and environment of a Tollgate to start.
pub struct Builder {
    env: BTreeMap<String, OsString>,
    args: Vec<OsString>,
    rules: Option<String>,
    program: PathBuf,
}

/// A running service on ports of its own, killed when dropped.
pub struct Tollgate {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    /// Locked while a test wants the program's output not to be read.
    reading: Arc<Mutex<()>>,
    /// The directory of the rules file, if the test has rules.
    pub rules_dir: Option<TempDir>,
}

impl Builder {
    /// A builder of the program at this path, with free ports and the usual settings of tests.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let env = [
            ("HOST", "127.0.0.1"),
            ("PORT", "0"),
            ("GRPC_HOST", "127.0.0.1"),
            ("GRPC_PORT", "0"),
            ("DEBUG_HOST", "127.0.0.1"),
            ("DEBUG_PORT", "0"),
            ("PROMETHEUS_ADDR", "127.0.0.1:0"),
            ("LOG_LEVEL", "info"),
            ("LOG_FORMAT", "json"),
            ("WORKERS", "2"),
        ];
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        Self { env, args: Vec::new(), rules: None, program: program.into() }
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.insert(name.to_owned(), value.as_ref().to_owned());
        self
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub fn args(mut self, args: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// The rules to start with, in a file that [`Tollgate::write_rules`] can replace.
    pub fn rules(mut self, yaml: &str) -> Self {
        self.rules = Some(yaml.to_owned());
        self
    }

    /// Sets the wall clock, in the format of libfaketime: `+30s`, or `@2026-03-29 00:00:00` (UTC) to start at.
    pub fn clock(self, faketime: &str) -> Self {
        let places = std::fs::read_dir("/usr/lib").expect("/usr/lib").flatten();
        let mut paths = places.map(|place| place.path().join("faketime/libfaketime.so.1"));
        let library = paths.find(|path| path.exists()).expect("libfaketime: `bash tests/run.sh` installs it");
        self.env("LD_PRELOAD", library)
            .env("FAKETIME", faketime)
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("TZ", "UTC")
    }

    /// Uses another path of the same binary, for tests of its name.
    pub fn program(mut self, program: &Path) -> Self {
        self.program = program.to_owned();
        self
    }

    /// Starts the program without waiting for it.
    pub fn spawn(self) -> Tollgate {
        let Self { mut env, args, rules, program } = self;
        // on a busy machine, Redis may need longer to answer than the default of 100 ms
        for redis in ["REDIS", "REDIS_PERSECOND"] {
            if env.contains_key(&format!("{redis}_URL")) {
                env.entry(format!("{redis}_TIMEOUT")).or_insert_with(|| "10s".into());
            }
        }
        let rules_dir = rules.map(|yaml| {
            let dir = TempDir::new().expect("a temporary directory");
            std::fs::write(dir.path().join("rules.yaml"), yaml).expect("rules are written");
            env.insert("RULES".to_owned(), dir.path().into());
            dir
        });
        let mut command = Command::new(program);
        command.args(args).env_clear().envs(env);
        let mut tollgate = Tollgate::spawn(command);
        tollgate.rules_dir = rules_dir;
        tollgate
    }

    /// Starts the program and waits until it accepts calls.
    pub fn start(self) -> Tollgate {
        let tollgate = self.spawn();
        tollgate.address("grpc");
        tollgate
    }
}

impl Tollgate {
    /// Runs a given command as the program.
    pub fn spawn(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("tollgate starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let stderr = child.stderr.take().expect("stderr is piped");
        let (lines, reading) = (Arc::clone(&log), Arc::<Mutex<()>>::default());
        let may_read = Arc::clone(&reading);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                drop(may_read.lock());
                lines.lock().expect("no panic while logging").push(line);
            }
        });
        Self { child, log, reading, rules_dir: None }
    }

    /// Stops reading the program's output until the returned value is dropped.
    pub fn unread(&self) -> impl Drop + use<> {
        struct Unread(Option<std::thread::JoinHandle<()>>, std::sync::mpsc::Sender<()>);
        impl Drop for Unread {
            fn drop(&mut self) {
                let _ = self.1.send(());
                let _ = self.0.take().map(std::thread::JoinHandle::join);
            }
        }
        let reading = Arc::clone(&self.reading);
        let (end, ended) = std::sync::mpsc::channel();
        let (held, is_held) = std::sync::mpsc::channel();
        let holder = std::thread::spawn(move || {
            let _held = reading.lock();
            let _ = held.send(());
            let _ = ended.recv();
        });
        is_held.recv().expect("it is held");
        Unread(Some(holder), end)
    }

    /// All log lines so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("no panic while logging").clone()
    }

    /// The log lines that contain this message.
    pub fn logged(&self, message: &str) -> Vec<String> {
        self.log().into_iter().filter(|line| line.contains(message)).collect()
    }

    /// Waits until at least `count` lines contain this text, and returns all that do. Needed even after a metric has
    /// changed, because its log line may follow.
    pub fn wait_for_lines(&self, text: &str, count: usize) -> Vec<String> {
        self.wait_for(&format!("{count} log lines with '{text}'"), || {
            Some(self.logged(text)).filter(|lines| lines.len() >= count)
        })
    }

    /// Waits for a line that contains this text.
    pub fn wait_for_log(&self, text: &str) -> String {
        self.wait_for(&format!("a log line with '{text}'"), || self.logged(text).pop())
    }

    /// Waits for a line that contains one of these texts.
    pub fn wait_for_log_of(&self, texts: &[&str]) -> String {
        self.wait_for(&format!("a log line with one of {texts:?}"), || {
            self.log().into_iter().find(|line| texts.iter().any(|text| line.contains(text)))
        })
    }

    /// The address of a listener: `grpc`, `http`, `debug` or `metrics`.
    pub fn address(&self, listener: &str) -> SocketAddr {
        self.wait_for(&format!("the {listener} listener"), || {
            self.log().iter().find_map(|line| {
                let event: Value = serde_json::from_str(line).ok()?;
                (event["@message"] == "listening" && event["listener"] == listener)
                    .then(|| event["address"].as_str()?.parse().ok())?
            })
        })
    }

    /// Waits until all connections to one Redis are established: from a pool of ten, three for each of two workers and
    /// for `/json`.
    pub async fn connected_to_redis(&self) {
        let client = super::http::Client::new();
        super::eventually("connections to Redis", async || {
            let page = client.get(self.address("metrics"), "/metrics").await.body;
            page.lines().any(|line| line == "ratelimit_redis_pool_cx_active 9").then_some(())
        })
        .await;
    }

    /// Waits until `/healthcheck` reports healthy.
    pub async fn is_healthy(&self) {
        let client = super::http::Client::new();
        super::eventually("a healthy service", async || {
            (client.get(self.address("http"), "/healthcheck").await.status == 200).then_some(())
        })
        .await;
    }

    fn wait_for<T>(&self, what: &str, check: impl Fn() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = check() {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "waited in vain for {what}; log: {:#?}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Replaces the rules by writing a file and renaming it.
    pub fn write_rules(&self, yaml: &str) {
        let dir = self.rules_dir.as_ref().expect("the test gave rules").path();
        // in the directory's parent, so that the half-written file is never part of the rules
        let staged = tempfile::NamedTempFile::new_in(dir.parent().expect("not the root")).expect("a temporary file");
        std::fs::write(staged.path(), yaml).expect("rules are written");
        staged.persist(dir.join("rules.yaml")).expect("rules are renamed");
    }

    /// The process id, for `/proc`.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success(), "kill -{name} failed");
    }

    /// Waits until the program exits.
    pub fn exit(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "it does not exit; log: {:#?}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills the program, as in a crash.
    pub fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it can be waited for");
    }
}

impl Drop for Tollgate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // libfaketime names these by the process id: a killed program leaves them, and a later one with the same id
        // would fail
        for name in ["faketime_shm", "sem.faketime_sem"] {
            let _ = std::fs::remove_file(format!("/dev/shm/{name}_{}", self.child.id()));
        }
    }
}
