//! How load is generated: how much, over how many connections, for how long.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

/// How load is generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The number of connections. A connection that ends is re-established.
    pub connections: NonZeroUsize,
    /// The largest number of requests in flight on each connection.
    pub streams: NonZeroUsize,
    /// The number of threads; at most that of connections.
    pub threads: NonZeroUsize,
    /// When a request is sent.
    pub pace: Pace,
    /// When the run ends.
    pub until: Until,
    /// Requests sent in this time at the start are not counted.
    pub warm_up: Duration,
    /// A request without a response after this time has failed.
    pub timeout: Duration,
    /// The seed of the random numbers that choose keys.
    pub seed: u64,
}

/// The number of cores.
#[must_use]
pub fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// The text is not a time.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}; write a time such as 10s, 500ms or 2m")]
pub struct DurationError(#[from] humantime::DurationError);

/// Parses a duration as users write it, such as `10s` or `1m 30s`.
///
/// # Errors
/// If the text is not a duration.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    Ok(humantime::parse_duration(text)?)
}

/// What determines when a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Closed loop: as soon as a response has freed a stream.
    Answers,
    /// Open loop: this many per second on all connections together, however long the responses take.
    Rate(NonZeroU32),
    /// An open loop of the same rate, in which each request is due at a random instant of its interval: like callers
    /// that know nothing of each other.
    Scattered(NonZeroU32),
}

impl Pace {
    /// The rate of an open loop.
    pub(crate) const fn rate(self) -> Option<NonZeroU32> {
        match self {
            Self::Answers => None,
            Self::Rate(rate) | Self::Scattered(rate) => Some(rate),
        }
    }
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
    /// The connections of a thread: every `threads`-th of `0..connections`.
    pub(crate) fn connections_of(&self, thread: usize) -> impl Iterator<Item = usize> + use<> {
        (thread..self.connections.get()).step_by(self.threads.get())
    }
}
