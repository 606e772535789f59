//! What the batcher needs of a Redis client: a trait, so that it can be tested without one, and the client be replaced.

use std::fmt::Debug;

use super::{Call, Replied};
use limiter::domain::CounterKey;

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
    /// Any number: one server has all keys, or all keys of a slot.
    Many,
    /// One: the peer sends a call to the server of its first key, and other keys may be elsewhere.
    One,
}

/// Sends calls, each at most once.
pub trait Caller: Debug + Send + Sync + 'static {
    /// Runs the script on the node that owns `slot` (`None`: the only one). The command is encoded before this returns;
    /// dropping the future does not withdraw it.
    fn call(
        &self,
        slot: Option<u16>,
        script: Script,
        call: &Call<'_>,
    ) -> impl Future<Output = Result<Replied, CallError>> + Send + 'static;

    /// Deletes a counter; whether there was one.
    fn delete(
        &self,
        slot: Option<u16>,
        key: &CounterKey,
    ) -> impl Future<Output = Result<bool, CallError>> + Send + 'static;

    /// Whether keys have slots, and a call may only have keys of one.
    fn has_slots(&self) -> bool;

    /// How many keys a call may carry; `None` while that is not known yet. Once it is `One`, it stays so.
    fn keys_per_call(&self) -> Option<KeysPerCall>;

    /// Whether a call would be sent: not while the breaker of its address is open. Called for each check, so that none
    /// waits in vain behind calls that hang.
    fn admits(&self, slot: Option<u16>) -> bool;

    /// Drops every connection and finds the primary again: the present server accepts no writes.
    fn reconnect(&self);

    /// Closes the connections. Calls in flight may end with [`CallError::Unanswered`].
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// Why a call has no reply of the script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is no connection; it was not sent.
    #[error("not connected")]
    Unreachable,
    /// The breaker of its address is open; it was not sent.
    #[error("the breaker is open")]
    Tripped,
    /// It has several keys, and may have only one; it was not sent.
    #[error("a call may carry one key")]
    ManyKeys,
    /// It may have been sent, and no reply came: in time, or before the connection broke.
    #[error("no answer: {0}")]
    Unanswered(Box<str>),
    /// Redis answered with this error. Never contains credentials.
    #[error("redis answered: {0}")]
    Refused(Box<str>),
    /// Redis answered with something that is no reply to this call, which may have run. Names its kind, never its
    /// content.
    #[error("redis answered with {0}")]
    Unreadable(Box<str>),
}
