//! All that one run needs to know.

use std::time::Duration;

use crate::{
    config::{Config, Until},
    request::Requests,
    target::Target,
};

/// Which server is sent which requests, and how.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The server.
    pub target: Target,
    /// What it is sent.
    pub requests: Requests,
    /// How much, over how many connections, for how long.
    pub config: Config,
}

impl Scenario {
    /// How long a run takes, warm-up included; `None` if it ends after a number of requests.
    #[must_use]
    pub const fn duration(&self) -> Option<Duration> {
        match self.config.until {
            Until::Elapsed(time) => Some(self.config.warm_up.saturating_add(time)),
            Until::Sent(_) => None,
        }
    }
}
