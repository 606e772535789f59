//! One connection to Redis, by fred. It is never made again, only replaced (see `link`): fred itself neither reconnects
//! nor resends.
//!
//! fred 10 would, left to itself, queue calls while it reconnects, send those in flight again, and give the error that
//! closed a connection (`CLUSTERDOWN`) to every call in flight. So its reconnection is off, each call has one attempt,
//! and a call fails at once when the connection is gone.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use fred::{
    clients::Client,
    error::{Error, ErrorKind},
    interfaces::{ClientLike, EventInterface},
    types::{
        ClientState, ConnectHandle, CustomCommand, Resp3Frame, Value,
        config::{
            Config, ConnectionConfig, Options, Server, ServerConfig, TcpConfig, TlsConfig, TlsConnector,
            UnresponsiveConfig,
        },
    },
};
use tokio::sync::{Notify, Semaphore};

use super::{
    credentials::{Login, login},
    plan::{Plan, Target},
};
use crate::store::redis::{CallError, Credentials, HostPort};

/// A command to send.
#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) name: &'static str,
    pub(super) arguments: Vec<Bytes>,
}

/// A reply that is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Bytes(Bytes),
    Number(i64),
    List(Vec<Reply>),
    Other,
}

/// Of which kind it is. What it holds may be a secret of somebody else's.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "a string of {} bytes", bytes.len()),
            Self::Number(number) => write!(f, "the number {number}"),
            Self::List(list) => write!(f, "a list of {}", list.len()),
            Self::Other => f.write_str("nil"),
        }
    }
}

/// A connection that was made.
#[derive(Debug)]
pub(super) struct Wire {
    client: Client,
    /// Calls that were sent and whose reply has not come, those included whose caller gave up.
    unanswered: AtomicUsize,
    /// Those of them whose caller gave up.
    left: AtomicUsize,
    /// Told when a caller gave up: it is to be asked whether it [answers](Self::answers) at all.
    pub(super) doubt: Notify,
    /// Closed when the connection is: fred would let calls wait that come when its task has just ended.
    gone: Arc<Semaphore>,
}

/// Ends when the connection does. Dropped, it closes it.
#[derive(Debug)]
pub(super) struct Running {
    task: ConnectHandle,
    gone: Arc<Semaphore>,
}

impl Wire {
    /// Connects and logs in. The error says why not, without credentials.
    pub(super) async fn open(plan: &Plan, target: &Target) -> Result<(Self, Running), Box<str>> {
        let client = Client::new(config(plan, target).await?, None, Some(connection(plan)), None);
        let mut made = client.reconnect_rx();
        let gone = Arc::new(Semaphore::new(0));
        let mut running = Running { task: client.connect(), gone: Arc::clone(&gone) };
        tokio::select! {
            reason = running.ended() => return Err(reason),
            _ = made.recv() => {}
        }
        while client.state() != ClientState::Connected {
            tokio::task::yield_now().await;
        }
        let wire =
            Self { client, unanswered: AtomicUsize::new(0), left: AtomicUsize::new(0), doubt: Notify::new(), gone };
        Ok((wire, running))
    }

    /// One that was never made: what is sent fails at once.
    #[cfg(test)]
    pub(super) fn unmade() -> Self {
        let client = Client::new(Config::default(), None, None, None);
        let (unanswered, left) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { client, unanswered, left, doubt: Notify::new(), gone: Arc::new(Semaphore::new(0)) }
    }

    /// Sends a command once, and waits for its reply until `timeout` has passed. `asking`: to a node that is about to get
    /// the slot.
    pub(super) async fn run(&self, command: Command, asking: bool, timeout: Duration) -> Result<Reply, CallError> {
        if !asking {
            return self.send(command, timeout).await;
        }
        // Both are handed to fred in this order before either is waited for, so nothing comes between them. If it did,
        // the node would redirect us once more.
        let ask = Command { name: "ASKING", arguments: Vec::new() };
        tokio::join!(biased; self.send(ask, timeout), self.send(command, timeout)).1
    }

    async fn send(&self, command: Command, timeout: Duration) -> Result<Reply, CallError> {
        if self.gone.is_closed() {
            return Err(CallError::Unreachable);
        }
        let sent = Sent::over(self);
        match self.exchange(command, timeout).await {
            Some(Ok(frame)) => {
                sent.answered();
                reply(frame)
            }
            Some(Err(error)) => Err(self.failure(&error)),
            None => Err(CallError::Unanswered("the connection was lost".into())),
        }
    }

    /// Whether a PING is answered in time, be it by a refusal. Replies come in the order of the calls: those that nobody
    /// waits for any more have come before. Asked by one at a time.
    pub(super) async fn answers(&self, patience: Duration) -> bool {
        let left = self.left.load(Relaxed);
        match self.exchange(Command { name: "PING", arguments: Vec::new() }, patience).await {
            Some(Ok(_)) => {
                self.left.fetch_sub(left, Relaxed);
                self.unanswered.fetch_sub(left, Relaxed);
                true
            }
            // whatever else went wrong has ended the connection, and is told there
            Some(Err(error)) => *error.kind() != ErrorKind::Timeout,
            None => true,
        }
    }

    /// A command and what came of it; `None`: the connection was lost meanwhile.
    async fn exchange(&self, command: Command, timeout: Duration) -> Option<Result<Resp3Frame, Error>> {
        let Command { name, arguments } = command;
        let options = Options { timeout: Some(timeout), max_attempts: Some(1), fail_fast: true, ..Options::default() };
        let arguments: Vec<Value> = arguments.into_iter().map(Value::Bytes).collect();
        let custom = CustomCommand::new_static(name, None, false);
        let client = self.client.with_options(&options);
        // boxed: what fred makes of it is 7 KiB, which every future around it would carry, and copy
        let result = Box::pin(client.custom_raw(custom, arguments));
        tokio::select! {
            biased;
            result = result => Some(result),
            _closed = self.gone.acquire() => None,
        }
    }

    fn failure(&self, error: &Error) -> CallError {
        let words = error.details();
        match error.kind() {
            // What fred says before it has handed the command to its connection.
            ErrorKind::Canceled if words == "Connection closed unexpectedly." => CallError::Unreachable,
            ErrorKind::Unknown if words == "Failed to send command to router." => CallError::Unreachable,
            ErrorKind::Unknown if words == "Client is not initialized." => CallError::Unreachable,
            ErrorKind::Timeout => CallError::Unanswered("timed out".into()),
            // fred tells it to all calls in flight, though it answers one.
            _ if words.starts_with("CLUSTERDOWN") && self.unanswered.load(Relaxed) == 1 => {
                CallError::Refused(words.into())
            }
            _ => CallError::Unanswered(error.to_string().into()),
        }
    }
}

/// A call that was sent. Dropped, its caller has given up.
struct Sent<'a> {
    wire: &'a Wire,
    answered: bool,
}

impl<'a> Sent<'a> {
    fn over(wire: &'a Wire) -> Self {
        wire.unanswered.fetch_add(1, Relaxed);
        Self { wire, answered: false }
    }

    fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        if self.answered {
            self.wire.unanswered.fetch_sub(1, Relaxed);
        } else {
            self.wire.left.fetch_add(1, Relaxed);
            self.wire.doubt.notify_one();
        }
    }
}

impl Running {
    /// Waits for its end; why it ended.
    pub(super) async fn ended(&mut self) -> Box<str> {
        match (&mut self.task).await {
            Ok(Ok(())) => "closed".into(),
            Ok(Err(error)) => said(&error),
            Err(error) => error.to_string().into(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.gone.close();
        self.task.abort();
    }
}

/// What went wrong, in words: fred has I/O errors in the form that is for debugging.
fn said(error: &Error) -> Box<str> {
    let details = error.details();
    let quoted = details.split_once("message: \"").or_else(|| details.split_once("error: \""));
    match quoted.and_then(|(_, rest)| rest.split_once('"')) {
        Some((words, _)) if *error.kind() == ErrorKind::IO => words.into(),
        _ => error.to_string().into(),
    }
}

fn reply(frame: Resp3Frame) -> Result<Reply, CallError> {
    match frame {
        Resp3Frame::SimpleError { data, .. } => Err(CallError::Refused(data.to_string().into())),
        Resp3Frame::BlobError { data, .. } => Err(CallError::Refused(String::from_utf8_lossy(&data).into())),
        Resp3Frame::BlobString { data, .. } | Resp3Frame::SimpleString { data, .. } => Ok(Reply::Bytes(data)),
        Resp3Frame::Number { data, .. } => Ok(Reply::Number(data)),
        Resp3Frame::Array { data, .. } => data.into_iter().map(reply).collect::<Result<_, _>>().map(Reply::List),
        _ => Ok(Reply::Other),
    }
}

async fn config(plan: &Plan, target: &Target) -> Result<Config, Box<str>> {
    let Login { user, password } = login(&plan.credentials).await?;
    let server = match target {
        Target::Tcp(at) => ServerConfig::Centralized { server: server(at) },
        Target::Unix(path) => ServerConfig::Unix { path: path.clone() },
        Target::Sentinel { master, sentinels, credentials } => sentinel(master, sentinels, credentials).await?,
    };
    let tls = match target {
        Target::Unix(_) => None,
        Target::Tcp(_) | Target::Sentinel { .. } => plan.tls.clone(),
    };
    Ok(Config {
        server,
        username: password.as_ref().and(user),
        password: password.map(|password| password.expose().to_owned()),
        database: (plan.database != 0).then_some(plan.database),
        tls: tls.map(|tls| TlsConfig::from(TlsConnector::from((*tls).clone()))),
        fail_fast: true,
        ..Config::default()
    })
}

async fn sentinel(master: &str, sentinels: &[HostPort], credentials: &Credentials) -> Result<ServerConfig, Box<str>> {
    let Login { user, password } = login(credentials).await?;
    let mut hosts: Vec<Server> = sentinels.iter().map(server).collect();
    // fred asks the first that it can reach, whatever it knows.
    fastrand::shuffle(&mut hosts);
    Ok(ServerConfig::Sentinel {
        hosts,
        service_name: master.to_owned(),
        username: password.as_ref().and(user),
        password: password.map(|password| password.expose().to_owned()),
    })
}

fn server(at: &HostPort) -> Server {
    Server::new(at.host.clone(), at.port)
}

fn connection(plan: &Plan) -> ConnectionConfig {
    ConnectionConfig {
        connection_timeout: plan.patience(),
        internal_command_timeout: plan.patience(),
        max_command_attempts: 1,
        max_redirections: 1,
        tcp: TcpConfig { nodelay: Some(true), ..TcpConfig::default() },
        unresponsive: UnresponsiveConfig { max_timeout: None, ..UnresponsiveConfig::default() },
        ..ConnectionConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn an_io_error_is_told_in_words() {
        let refused = Error::from(io::Error::from_raw_os_error(111));
        assert!(refused.to_string().contains("code: 111"), "fred has changed: is this still needed? {refused}");
        assert_eq!(&*said(&refused), "Connection refused");
        assert_eq!(&*said(&Error::from(io::Error::other("no such name"))), "no such name");
        let other = Error::new(ErrorKind::Auth, "WRONGPASS error: \"x\"");
        assert_eq!(*said(&other), *other.to_string());
    }
}
