//! Servers as processes of their own, so that their CPU time is separate from that of the load generator. Each is
//! killed when it is dropped.

use std::{
    env,
    ffi::OsString,
    io::{self, BufRead as _, BufReader},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};

/// The start of the only line of output of the bare server; its address follows.
pub(crate) const LISTENING: &str = "listening on ";

/// The time within which a server must listen.
const PATIENCE: Duration = Duration::from_secs(30);
/// The time between two looks at whether a server is ready.
const BETWEEN_CHECKS: Duration = Duration::from_millis(20);
/// The number of output lines quoted in the error of a server that did not start.
const QUOTED: usize = 5;

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The process cannot be created.
    #[error("cannot start {name}: {error}")]
    Start {
        /// The name of the program.
        name: &'static str,
        /// The error of the system.
        error: io::Error,
    },
    /// There is no Tollgate at this path.
    #[error(
        "{} is missing: build it with `cargo build --bin tollgate`, with --release for a release build, or give its \
         path with --tollgate",
        .0.display()
    )]
    Missing(PathBuf),
    /// There is no Redis at this path.
    #[error("there is no {}: install Redis or Valkey, or give the path of one with --redis-server", .0.display())]
    NoRedis(PathBuf),
    /// The service is not ready in time.
    #[error("tollgate serve is not ready within {PATIENCE:?}: {0}")]
    NotReady(String),
    /// The process ended, or did not listen in time.
    #[error("{name} does not listen{}", quoted(.lines))]
    Silent {
        /// The name of the program.
        name: &'static str,
        /// Its last lines of output.
        lines: Vec<String>,
    },
}

fn quoted(lines: &[String]) -> String {
    if lines.is_empty() { String::new() } else { format!("; it said:\n  {}", lines.join("\n  ")) }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    process: Child,
    /// The address that it serves.
    pub address: SocketAddr,
    output: Output,
}

impl Server {
    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits until a Tollgate is ready: all its workers count in their Redis.
    pub(crate) async fn ready(&self) -> Result<(), ProcessError> {
        let start = Instant::now();
        loop {
            let page = match self.lines().iter().find_map(|line| listener(line, "http")) {
                Some(address) => get(address, "/readyz").await.unwrap_or_else(|error| error.to_string()),
                None => "it does not listen for HTTP".to_owned(),
            };
            if page.split(' ').nth(1) == Some("200") {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                let lines: Vec<&str> = page.lines().collect();
                return Err(ProcessError::NotReady(lines.last().copied().unwrap_or_default().to_owned()));
            }
            sleep(BETWEEN_CHECKS).await;
        }
    }

    /// The lines that it has printed so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // both fail if it has ended by itself
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The answer to a GET over HTTP, with its head.
async fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Starts the bare server: another process of this program. With nodes of a Redis, it counts there.
pub(crate) fn bare(redis: &[SocketAddr]) -> Result<Server, ProcessError> {
    const NAME: &str = "the bare server";
    let start = |error| ProcessError::Start { name: NAME, error };
    let mut command = Command::new(env::current_exe().map_err(start)?);
    command.args(["bare", "--until-stdin-ends"]);
    command.args(redis.iter().map(|address| format!("--redis={address}"))).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().map_err(start)?;
    let output = process.stdout.take();
    listening(NAME, process, output, |line| line.strip_prefix(LISTENING)?.parse().ok())
}

/// The path of the `tollgate` that was built into the same folder as this program.
///
/// # Errors
/// If the path of this program is unknown.
pub fn built_tollgate() -> Result<PathBuf, ProcessError> {
    let this = env::current_exe().map_err(|error| ProcessError::Start { name: "tollgate", error })?;
    let folder = this.parent().unwrap_or(Path::new("."));
    // tests and benchmarks are one folder further down
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.join(format!("tollgate{}", env::consts::EXE_SUFFIX)))
}

/// Starts the Tollgate at this path, with this environment and nothing else. The address is that of its gRPC listener.
///
/// # Errors
/// If it does not start.
pub fn tollgate(program: &Path, env: &[(&str, OsString)]) -> Result<Server, ProcessError> {
    const NAME: &str = "tollgate serve";
    const ANY_PORT: [(&str, &str); 9] = [
        ("GRPC_HOST", "127.0.0.1"),
        ("GRPC_PORT", "0"),
        ("HOST", "127.0.0.1"),
        ("PORT", "0"),
        ("DEBUG_HOST", "127.0.0.1"),
        ("DEBUG_PORT", "0"),
        ("PROMETHEUS_ADDR", "127.0.0.1:0"),
        ("LOG_FORMAT", "json"),
        ("LOG_LEVEL", "info"),
    ];
    if !program.exists() {
        return Err(ProcessError::Missing(program.to_owned()));
    }
    let mut command = Command::new(program);
    command.arg("serve").env_clear().envs(ANY_PORT).envs(env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = command.spawn().map_err(|error| ProcessError::Start { name: NAME, error })?;
    let output = process.stderr.take();
    listening(NAME, process, output, |line| listener(line, "grpc"))
}

/// The address of a listener in a log line of Tollgate that reports it.
#[must_use]
pub fn listener(line: &str, name: &str) -> Option<SocketAddr> {
    let event: Value = serde_json::from_str(line).ok()?;
    let listens = event["@message"] == "listening" && event["listener"] == name;
    event["address"].as_str().filter(|_| listens)?.parse().ok()
}

/// The name of a Redis server's program.
pub(crate) const REDIS_SERVER: &str = "redis-server";

/// Starts a Redis without persistence, with these arguments.
///
/// # Errors
/// If it does not start.
pub fn redis(arguments: &[&str]) -> Result<Server, ProcessError> {
    redis_at(Path::new(REDIS_SERVER), None, arguments)
}

/// The same with this program, and on this port if one is given.
pub(crate) fn redis_at(program: &Path, port: Option<u16>, arguments: &[&str]) -> Result<Server, ProcessError> {
    const NAME: &str = REDIS_SERVER;
    let start = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => ProcessError::NoRedis(program.to_owned()),
        _ => ProcessError::Start { name: NAME, error },
    };
    let port = port.map_or_else(free_port, Ok).map_err(start)?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut command = Command::new(program);
    command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--save", "", "--appendonly", "no"]);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = command.spawn().map_err(start)?;
    let output = process.stdout.take();
    listening(NAME, process, output, |line| line.contains("eady to accept connections").then_some(address))
}

/// A free port. Another process may take it meanwhile; then the server reports that and exits.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// The lines that a server has printed.
type Output = Arc<Mutex<Vec<String>>>;

/// Waits for the output line of a server that contains its address.
fn listening(
    name: &'static str,
    mut process: Child,
    output: Option<impl io::Read + Send + 'static>,
    address: impl Fn(&str) -> Option<SocketAddr>,
) -> Result<Server, ProcessError> {
    let start = Instant::now();
    let source = output.expect("it was started with a pipe");
    let (sender, lines) = channel();
    let output = Output::default();
    read(name, source, sender, Arc::clone(&output))?;
    match first(&lines, start, address) {
        Some(address) => Ok(Server { process, address, output }),
        None => {
            let _ = process.kill();
            let _ = process.wait();
            let mut lines = output.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let last = lines.len().saturating_sub(QUOTED);
            Err(ProcessError::Silent { name, lines: lines.split_off(last) })
        }
    }
}

fn first(lines: &Receiver<String>, start: Instant, address: impl Fn(&str) -> Option<SocketAddr>) -> Option<SocketAddr> {
    loop {
        match lines.recv_timeout(PATIENCE.saturating_sub(start.elapsed())) {
            Ok(line) => {
                if let Some(address) = address(&line) {
                    return Some(address);
                }
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// Reads a server's output for as long as it runs: a full pipe would block it.
fn read(
    name: &'static str,
    source: impl io::Read + Send + 'static,
    sender: Sender<String>,
    output: Output,
) -> Result<(), ProcessError> {
    let read = move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            output.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
            // after the start, the lines are only stored
            let _ = sender.send(line);
        }
    };
    let thread = thread::Builder::new().name(name.to_owned()).spawn(read);
    thread.map(drop).map_err(|error| ProcessError::Start { name, error })
}
