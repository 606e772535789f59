//! One connection to Redis: RESP2 over TCP, TLS or a Unix socket. It does not reconnect (`link` replaces it), and never
//! sends a command twice.
//!
//! ```text
//!  run ─▶ Exchange ─▶ Driver (a task): writes what is queued, decodes replies ─▶ Exchange ─▶ run
//! ```
//!
//! Commands are pipelined, and replies arrive in the order of the commands. A reply that is larger than its command
//! allows, or that belongs to no command, ends the connection: the peer may not be a Redis at all.

mod command;
mod decoder;
mod exchange;
mod hidden;
mod proxy;
mod sentinel;
mod stream;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{sync::Notify, task::JoinHandle, time::Instant};

pub(super) use self::command::{Command, CommandKind, ReplyLimit};
use self::{
    exchange::{Driver, Ended, Exchange, TIMED_OUT},
    stream::Stream,
};
use super::{
    credentials::{Login, login},
    key_limit::KeyLimit,
    plan::{Plan, Target},
};
use crate::{CallError, Credentials, HostPort, KeysPerCall};

/// Errors with which a server may refuse a PING although the login was accepted.
const LET_IN: [&str; 7] =
    ["NOPERM ", "LOADING ", "BUSY ", "MASTERDOWN ", "MISCONF ", "CLUSTERDOWN ", "ERR unknown command"];

/// Envoy's redis_proxy forwards a SELECT over connections that its clients share; other proxies have no databases.
const ONE_DATABASE: &str = "this is a proxy, which may not keep a database for each of its clients: leave the database \
    number out of the URL, and separate services by CACHE_KEY_PREFIX";

/// A reply that is not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Bytes(Bytes),
    Number(i64),
    List(Vec<Reply>),
    /// Nil.
    Other,
    /// An error, of one of several commands that were sent together.
    Error(Box<str>),
}

/// Displays only the kind of the value: its content may be a secret of another service.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "a string of {} bytes", bytes.len()),
            Self::Number(number) => write!(f, "the number {number}"),
            Self::List(list) => write!(f, "a list of {}", list.len()),
            Self::Other => f.write_str("nil"),
            Self::Error(_) => f.write_str("an error"),
        }
    }
}

/// All replies in bytes that arrive in these chunks; `None`: some bytes are no reply.
#[cfg(fuzzing)]
pub(super) fn decode_chunks<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    limit: ReplyLimit,
) -> Option<Vec<Result<Reply, Box<str>>>> {
    decoder::decode_chunks(chunks, limit).ok()
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Wire {
    exchange: Arc<Exchange>,
    /// How many keys a call may carry.
    keys: Arc<KeyLimit>,
    /// Notified when a call got no reply: the connection has to be tested for whether it [answers](Self::answers).
    pub(super) doubt: Notify,
}

/// The task of a connection. Dropping it closes the connection.
#[derive(Debug)]
pub(super) struct Running {
    exchange: Arc<Exchange>,
    task: JoinHandle<Ended>,
}

impl Wire {
    /// Connects, logs in, and detects how many keys a call may carry, unless that is known. The error never contains
    /// credentials.
    pub(super) async fn open(plan: &Plan, target: &Target) -> Result<(Self, Running), Box<str>> {
        let mut opened = Self::log_in_to(plan, target).await?;
        if plan.keys.needs_detection() {
            opened = proxy::detect(plan, target, opened).await?;
        }
        let (wire, patience) = (&opened.0, plan.patience());
        if plan.database != 0 {
            // clients of a proxy may share its connections, and would count in the database that any selected last
            if plan.keys.now() == Some(KeysPerCall::One) && !matches!(target, Target::Sentinel { .. }) {
                return Err(ONE_DATABASE.into());
            }
            wire.expect_ok(&[b"SELECT", plan.database.to_string().as_bytes()], patience).await?;
        }
        if matches!(target, Target::Sentinel { .. }) {
            wire.expect_primary(patience).await?;
        }
        Ok(opened)
    }

    /// Connects and logs in.
    async fn log_in_to(plan: &Plan, target: &Target) -> Result<(Self, Running), Box<str>> {
        let (patience, tls) = (plan.patience(), plan.tls.as_ref());
        let stream = match target {
            Target::Tcp(at) => Stream::tcp(at, tls, patience).await?,
            Target::Unix(path) => Stream::unix(path, patience).await?,
            Target::Sentinel { master, sentinels, credentials } => {
                let at = sentinel::primary(plan, master, sentinels, credentials).await?;
                Stream::tcp(&at, tls, patience).await?
            }
        };
        let (wire, running) = Self::start(stream, plan);
        wire.log_in(&plan.credentials, patience).await?;
        Ok((wire, running))
    }

    /// Connects to a sentinel, with the TLS of the servers and a login of its own.
    async fn to_sentinel(plan: &Plan, at: &HostPort, credentials: &Credentials) -> Result<(Self, Running), Box<str>> {
        let stream = Stream::tcp(at, plan.tls.as_ref(), plan.patience()).await?;
        let (wire, running) = Self::start(stream, plan);
        wire.log_in(credentials, plan.patience()).await?;
        Ok((wire, running))
    }

    fn start(stream: Stream, plan: &Plan) -> (Self, Running) {
        let exchange = Arc::<Exchange>::default();
        let task = tokio::spawn(Driver::new(stream, Arc::clone(&exchange)));
        let running = Running { exchange: Arc::clone(&exchange), task };
        (Self { exchange, keys: Arc::clone(&plan.keys), doubt: Notify::new() }, running)
    }

    /// A connection that was never made: commands fail at once.
    #[cfg(test)]
    pub(super) fn unmade() -> Self {
        let exchange = Arc::<Exchange>::default();
        exchange.close();
        Self { exchange, keys: Arc::new(KeyLimit::new(Some(KeysPerCall::Many))), doubt: Notify::new() }
    }

    /// Logs in, if there is a password, and checks that the server accepts commands: it must answer a PING, even if
    /// with an error, as long as that is not about the login.
    async fn log_in(&self, credentials: &Credentials, patience: Duration) -> Result<(), Box<str>> {
        let Login { user, password } = login(credentials).await?;
        if let Some(password) = password {
            let mut words: Vec<&[u8]> = vec![b"AUTH"];
            words.extend(user.as_ref().map(String::as_bytes));
            words.push(password.expose().as_bytes());
            self.expect_ok(&words, patience).await?;
        }
        match self.exchange(None, &Command::new(&[b"PING"], ReplyLimit::SHORT), patience).await {
            Ok(_) => Ok(()),
            Err(CallError::Refused(text)) if LET_IN.iter().any(|code| text.starts_with(code)) => Ok(()),
            Err(error) => Err(reason(error)),
        }
    }

    async fn expect_ok(&self, words: &[&[u8]], patience: Duration) -> Result<(), Box<str>> {
        match self.exchange(None, &Command::new(words, ReplyLimit::SHORT), patience).await {
            Ok(_) => Ok(()),
            Err(CallError::Unanswered(text)) if &*text != TIMED_OUT => {
                let command = String::from_utf8_lossy(words[0]);
                let hint = match words {
                    [b"AUTH", _, _] => "; a proxy may take a password without a user",
                    [b"SELECT", _] => "; a proxy may have only one database: leave its number out of the URL",
                    _ => "",
                };
                Err(format!("it closed the connection at {command}{hint}").into())
            }
            Err(CallError::Refused(text)) => Err(match words {
                // the server's error may repeat the password
                [b"AUTH", .., password] => hidden::without_password(&text, &String::from_utf8_lossy(password)),
                _ => text,
            }),
            Err(error) => Err(reason(error)),
        }
    }

    /// Checks that the server is a primary: the sentinels' information may be out of date.
    async fn expect_primary(&self, patience: Duration) -> Result<(), Box<str>> {
        match self.exchange(None, &Command::new(&[b"ROLE"], ReplyLimit::SHORT), patience).await {
            Ok(Reply::List(parts)) if parts.first() == Some(&Reply::Bytes(Bytes::from_static(b"master"))) => Ok(()),
            Ok(_) => Err("the sentinels name a server that is not the primary".into()),
            Err(error) => Err(reason(error)),
        }
    }

    /// Sends a command once, and waits for its reply until `timeout` has passed. `asking`: sends ASKING first, for a
    /// node to which the slot is migrating.
    pub(super) async fn run(&self, command: Command, asking: bool, timeout: Duration) -> Result<Reply, CallError> {
        // the call was assembled before the limit was known
        if command.keys > 1 && self.carries_one_key() {
            return Err(CallError::ManyKeys);
        }
        let ask = asking.then(|| Command::new(&[b"ASKING"], ReplyLimit::SHORT));
        let guard = UnansweredGuard { wire: self, answered: false };
        let outcome = self.exchange(ask.as_ref(), &command, timeout).await;
        guard.ended(&outcome);
        outcome
    }

    /// Whether a call may carry no more than one key.
    pub(super) fn carries_one_key(&self) -> bool {
        self.keys.now() == Some(KeysPerCall::One)
    }

    /// Whether a PING is answered in time, even if with an error. Replies come in the order of the commands, so the
    /// late replies to abandoned calls come first.
    pub(super) async fn answers(&self, patience: Duration) -> bool {
        let ping = Command::new(&[b"PING"], ReplyLimit::SHORT);
        // a lost connection is reported by the end of its task, not here
        !matches!(self.exchange(None, &ping, patience).await, Err(CallError::Unanswered(text)) if &*text == TIMED_OUT)
    }

    /// Sends `command`, right after `before` if there is one, and returns the reply to `command`.
    async fn exchange(
        &self,
        before: Option<&Command>,
        command: &Command,
        patience: Duration,
    ) -> Result<Reply, CallError> {
        let outcome = self.exchange.send(before, command, Instant::now() + patience)?.await;
        outcome.unwrap_or_else(|_| Err(CallError::Unanswered("the connection was lost".into())))
    }
}

/// The reason for which a connection cannot be used, as shown to an operator.
fn reason(error: CallError) -> Box<str> {
    match error {
        CallError::Refused(text) => text,
        other => other.to_string().into(),
    }
}

/// Requests a test of the connection when a call ends without a reply or is dropped.
struct UnansweredGuard<'a> {
    wire: &'a Wire,
    answered: bool,
}

impl UnansweredGuard<'_> {
    fn ended(mut self, outcome: &Result<Reply, CallError>) {
        self.answered = matches!(outcome, Ok(_) | Err(CallError::Refused(_) | CallError::Unreachable));
    }
}

impl Drop for UnansweredGuard<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.wire.doubt.notify_one();
        }
    }
}

impl Running {
    /// Waits for the end of the connection; returns the reason.
    pub(super) async fn ended(&mut self) -> Box<str> {
        match (&mut self.task).await {
            Ok(ended) => ended.to_string().into(),
            Err(error) => error.to_string().into(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // fails waiting commands at once: the aborted task is dropped only when its runtime gets to it
        self.exchange.close();
        self.task.abort();
    }
}
