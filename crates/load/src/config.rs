//! How load is made: how much, over how many connections, for how long.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

/// How load is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Connections, each made again when it ends.
    pub connections: NonZeroUsize,
    /// Requests in flight on each connection, at most.
    pub streams: NonZeroUsize,
    /// Threads that make the load; no more than connections.
    pub threads: NonZeroUsize,
    /// When a request is sent.
    pub pace: Pace,
    /// When the run ends.
    pub until: Until,
    /// Requests sent in this time, before the rest, are not counted.
    pub warm_up: Duration,
    /// A request without a response after this has failed.
    pub timeout: Duration,
    /// Seed of the random numbers that draw keys.
    pub seed: u64,
}

/// As many threads as there are cores.
#[must_use]
pub fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// The text is not a time.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}; write a time such as 10s, 500ms or 2m")]
pub struct DurationError(#[from] humantime::DurationError);

/// Reads a time as a person types it, such as `10s` or `1m 30s`.
///
/// # Errors
/// If it is not one.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    Ok(humantime::parse_duration(text)?)
}

/// What decides when a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Closed loop: as soon as a response has freed a stream.
    Answers,
    /// Open loop: this many a second on all connections together, however long the responses take.
    Rate(NonZeroU32),
}

/// When a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// After this time.
    Elapsed(Duration),
    /// After this many requests.
    Sent(NonZeroU64),
}

impl Config {
    /// Which of `0..connections` the thread of this number has: every `threads`-th.
    pub(crate) fn connections_of(&self, thread: usize) -> impl Iterator<Item = usize> + use<> {
        (thread..self.connections.get()).step_by(self.threads.get())
    }
}
