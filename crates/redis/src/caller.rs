//! What the batcher needs of a Redis client. It is a trait, so that the batcher can be tested without Redis and the
//! client can be replaced.

use std::fmt::Debug;

use super::{Addition, Call, Replied, ServerTime};

/// How the script is named in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// By its SHA1 (`EVALSHA`).
    Sha1,
    /// By its text (`EVAL`), which also loads it on the node that runs it.
    Text,
}

/// How many keys a call may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysPerCall {
    /// Any number: one server has all keys, or all keys of one slot.
    Many,
    /// One: a proxy forwards the call to the server of its first key, and other servers may have the other keys.
    One,
}

/// What is known of the server that a call goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its clock.
    pub time: ServerTime,
    /// Whether the counters of fixed windows are in named windows: not behind a proxy that distributes the keys over
    /// servers, each of which has a clock of its own.
    pub names_windows: bool,
    /// Whether plain commands may be used in place of the script.
    pub plain_commands: bool,
}

impl Server {
    /// A server that has not replied.
    #[must_use]
    pub fn unknown() -> Self {
        Self { time: ServerTime::unknown(), names_windows: true, plain_commands: false }
    }
}

/// Sends calls, each at most once.
pub trait Caller: Debug + Send + Sync + 'static {
    /// Runs the script on the node that owns `slot` (`None`: keys have no slots). The command is encoded before this
    /// returns; dropping the future does not withdraw it.
    fn call(
        &self,
        slot: Option<u16>,
        script: Script,
        call: &Call,
    ) -> impl Future<Output = Result<Replied, CallError>> + Send + 'static;

    /// Adds to the counter of a named window by plain commands, on the node that owns `slot`, and returns its count.
    /// If they are refused, nothing was added, though a counter of 0 may have been created. As with [`call`](Self::call), dropping the future does not withdraw
    /// them.
    fn add(
        &self,
        slot: Option<u16>,
        addition: &Addition,
    ) -> impl Future<Output = Result<i64, CallError>> + Send + 'static;

    /// Deletes keys of one slot; returns whether any existed.
    fn delete(
        &self,
        slot: Option<u16>,
        keys: &[Vec<u8>],
    ) -> impl Future<Output = Result<bool, CallError>> + Send + 'static;

    /// What is known, now, of the server that owns `slot`.
    fn server(&self, slot: Option<u16>) -> Server;

    /// Whether keys have slots (Redis Cluster), so that all keys of a call must be of one slot.
    fn has_slots(&self) -> bool;

    /// How many keys a call may carry; `None` while that is not known yet. Once it is `One`, it stays so.
    fn keys_per_call(&self) -> Option<KeysPerCall>;

    /// Whether a call would be sent: `false` while the breaker of its address is open. Called for each check, so that
    /// no check waits in vain behind calls that hang.
    fn admits(&self, slot: Option<u16>) -> bool;

    /// Replaces every connection and looks for the primary again, because the current server accepts no writes.
    fn reconnect(&self);

    /// Closes the connections. Calls in flight may end with [`CallError::Unanswered`].
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// Why a call has no reply of the script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is no connection; the call was not sent.
    #[error("not connected")]
    Unreachable,
    /// The breaker of the address is open; the call was not sent.
    #[error("the breaker is open")]
    Tripped,
    /// The call has several keys, and may have only one; it was not sent.
    #[error("a call may carry only one key")]
    ManyKeys,
    /// The call may have been sent, but no reply came before its deadline or the end of the connection.
    #[error("no answer: {0}")]
    Unanswered(Box<str>),
    /// Redis answered with this error. Never contains credentials.
    #[error("redis answered: {0}")]
    Refused(Box<str>),
    /// Redis answered with a value that cannot be the reply to this call, which may have run. The text names the kind
    /// of that value, never its content.
    #[error("redis answered with {0}")]
    Unreadable(Box<str>),
}
