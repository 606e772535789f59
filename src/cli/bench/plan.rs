//! How load is made: how much, from where, for how long.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

/// All that one run needs to know beside whom and what it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) connections: NonZeroUsize,
    /// Requests under way on each connection, at most.
    pub(super) streams: NonZeroUsize,
    /// Threads that make the load; no more than connections.
    pub(super) threads: NonZeroUsize,
    pub(super) pace: Pace,
    pub(super) until: Until,
    /// What is sent in this time, before the rest, is not counted.
    pub(super) warm_up: Duration,
    /// A request without an answer after this has failed.
    pub(super) timeout: Duration,
    /// Of the random numbers that draw keys.
    pub(super) seed: u64,
}

/// What decides when a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Closed loop: as soon as an answer has freed a stream.
    Answers,
    /// Open loop: so many a second on all connections together, whatever the answers take.
    Rate(NonZeroU32),
}

/// When it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// After this time.
    Elapsed(Duration),
    /// After so many requests.
    Sent(NonZeroU64),
}

impl Plan {
    /// How many of `0..connections` the thread of this number has: every `threads`-th.
    pub(super) fn connections_of(&self, thread: usize) -> impl Iterator<Item = usize> + use<> {
        (thread..self.connections.get()).step_by(self.threads.get())
    }
}
