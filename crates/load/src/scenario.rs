//! The parameters of one run.

use std::time::Duration;

use crate::{
    config::{Config, Until},
    request::Requests,
    target::Target,
};

/// A server, the requests to send, and how to send them.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The server.
    pub target: Target,
    /// The requests to send.
    pub requests: Requests,
    /// How much, over how many connections, for how long.
    pub config: Config,
}

impl Scenario {
    /// The duration of a run, including the warm-up; `None` if it ends after a number of requests.
    #[must_use]
    pub const fn duration(&self) -> Option<Duration> {
        match self.config.until {
            Until::Elapsed(time) => Some(self.config.warm_up.saturating_add(time)),
            Until::Sent(_) => None,
        }
    }
}
