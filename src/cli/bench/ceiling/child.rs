//! Servers as processes of their own, so that what they spend can be told from what the load spends. Each is killed when it
//! is dropped.

use std::{
    env,
    ffi::OsString,
    io::{self, BufRead as _, BufReader},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::bare::LISTENING;

/// Within this time a server must listen.
const PATIENCE: Duration = Duration::from_secs(30);
/// Lines that a server that did not start is quoted with.
const QUOTED: usize = 5;

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum ChildError {
    /// The system does not start it.
    #[error("cannot start {name}: {error}")]
    Start {
        /// Which program.
        name: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// It ended, or said nothing.
    #[error("{name} does not listen{}", said(.lines))]
    Silent {
        /// Which program.
        name: &'static str,
        /// What it said last.
        lines: Vec<String>,
    },
}

fn said(lines: &[String]) -> String {
    if lines.is_empty() { String::new() } else { format!("; it said:\n  {}", lines.join("\n  ")) }
}

/// A server that runs.
#[derive(Debug)]
pub(in super::super) struct Server {
    process: Child,
    pub(in super::super) address: SocketAddr,
}

impl Server {
    pub(in super::super) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // one that has ended by itself is as good
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The bare server.
pub(in super::super) fn bare() -> Result<Server, ChildError> {
    const NAME: &str = "the bare server";
    let mut command = ourselves(NAME)?;
    command.args(["bench", "bare", "--until-stdin-ends"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().map_err(|error| ChildError::Start { name: NAME, error })?;
    let lines = lines(NAME, process.stdout.take())?;
    listening(NAME, process, &lines, |line| line.strip_prefix(LISTENING)?.parse().ok())
}

/// Tollgate, with this environment and no other.
pub(in super::super) fn tollgate(env: &[(&str, OsString)]) -> Result<Server, ChildError> {
    const NAME: &str = "tollgate serve";
    const ANY_PORT: [(&str, &str); 8] = [
        ("GRPC_HOST", "127.0.0.1"),
        ("GRPC_PORT", "0"),
        ("HOST", "127.0.0.1"),
        ("PORT", "0"),
        ("DEBUG_HOST", "127.0.0.1"),
        ("DEBUG_PORT", "0"),
        ("PROMETHEUS_ADDR", "127.0.0.1:0"),
        ("LOG_FORMAT", "json"),
    ];
    let mut command = ourselves(NAME)?;
    command.arg("serve").env_clear().envs(ANY_PORT).env("LOG_LEVEL", "info");
    command.envs(env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = command.spawn().map_err(|error| ChildError::Start { name: NAME, error })?;
    let lines = lines(NAME, process.stderr.take())?;
    listening(NAME, process, &lines, |line| {
        let event: Value = serde_json::from_str(line).ok()?;
        let listens = event["@message"] == "listening" && event["listener"] == "grpc";
        event["address"].as_str().filter(|_| listens)?.parse().ok()
    })
}

/// A Redis of our own, which keeps nothing on disk.
pub(in super::super) fn redis() -> Result<Server, ChildError> {
    const NAME: &str = "redis-server";
    let start = |error| ChildError::Start { name: NAME, error };
    let address = free_address().map_err(start)?;
    let mut command = Command::new(NAME);
    command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--save", "", "--appendonly", "no"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = command.spawn().map_err(start)?;
    let lines = lines(NAME, process.stdout.take())?;
    listening(NAME, process, &lines, |line| line.contains("eady to accept connections").then_some(address))
}

/// Another process may take it meanwhile; the server then says so, and ends.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

fn ourselves(name: &'static str) -> Result<Command, ChildError> {
    let program: PathBuf = env::current_exe().map_err(|error| ChildError::Start { name, error })?;
    Ok(Command::new(program))
}

/// What a server says, line by line, for as long as it says anything: a pipe that nobody reads would stop it.
fn lines(name: &'static str, output: Option<impl io::Read + Send + 'static>) -> Result<Receiver<String>, ChildError> {
    let (told, lines) = channel();
    let output = BufReader::new(output.expect("it was started with a pipe"));
    let read = move || {
        for line in output.lines().map_while(Result::ok) {
            // after the start nobody listens any more
            let _ = told.send(line);
        }
    };
    thread::Builder::new().name(name.to_owned()).spawn(read).map_err(|error| ChildError::Start { name, error })?;
    Ok(lines)
}

fn listening(
    name: &'static str,
    mut process: Child,
    lines: &Receiver<String>,
    address: impl Fn(&str) -> Option<SocketAddr>,
) -> Result<Server, ChildError> {
    let start = Instant::now();
    let mut said = Vec::new();
    loop {
        match lines.recv_timeout(PATIENCE.saturating_sub(start.elapsed())) {
            Ok(line) => match address(&line) {
                Some(address) => return Ok(Server { process, address }),
                None => said.push(line),
            },
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                let _ = process.kill();
                let _ = process.wait();
                let last = said.len().saturating_sub(QUOTED);
                return Err(ChildError::Silent { name, lines: said.split_off(last) });
            }
        }
    }
}
