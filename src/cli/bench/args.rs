//! The arguments of `bench`.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

use clap::Args;
use load::{Config, Descriptor, Keys, Pace, Requests, RequestsError, Scenario, Share, Target, Until, parse_duration};

use super::super::entries::Entries;

const LOAD: &str = "Load";
const REQUESTS: &str = "Requests";
const REPORT: &str = "Report";

/// `bench ADDR DOMAIN k=v,k=v…`
#[derive(Args, Clone, Debug, PartialEq)]
#[command(after_help = HELP)]
pub struct BenchArgs {
    #[command(flatten)]
    pub(super) load: LoadArgs,
}

/// `bench ADDR DOMAIN k=v,k=v…`
#[derive(Args, Clone, Debug, PartialEq)]
pub struct LoadArgs {
    /// The gRPC address of the service, such as localhost:8081 or unix:/run/tollgate.sock
    #[arg(value_name = "ADDR")]
    target: Target,
    /// The domain
    domain: String,
    /// The descriptors of each request; in a value, {} is replaced by the number of a key
    #[arg(required = true, value_name = "KEY=VALUE,…")]
    descriptors: Vec<Entries>,

    /// Number of connections
    #[arg(short, long, value_name = "N", default_value = "8", help_heading = LOAD)]
    connections: NonZeroUsize,
    /// Most requests in flight on each connection
    #[arg(short = 'm', long, value_name = "N", default_value = "32", help_heading = LOAD)]
    streams: NonZeroUsize,
    /// Open loop: requests per second on all connections together, with latencies measured from when each was due.
    /// Without it, closed loop: each answer triggers the next request
    #[arg(long, value_name = "N", help_heading = LOAD)]
    rate: Option<NonZeroU32>,
    /// How long to generate load, such as 30s or 2m
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = parse_duration, help_heading = LOAD)]
    #[arg(conflicts_with = "requests")]
    duration: Duration,
    /// How many requests to send, instead of how long
    #[arg(short = 'n', long, value_name = "N", help_heading = LOAD)]
    requests: Option<NonZeroU64>,
    /// Time before the measurement, whose requests are not counted; 0s for none
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration, help_heading = LOAD)]
    warm_up: Duration,
    /// Time after which a request without an answer has failed
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration, help_heading = LOAD)]
    timeout: Duration,
    /// Threads that generate load [default: one for each core]
    #[arg(long, value_name = "N", help_heading = LOAD)]
    threads: Option<NonZeroUsize>,

    /// Which key replaces a {}: hot (always the first), uniform:N (one of N), or zipf:N:EXPONENT (the first ones more
    /// often)
    #[arg(long, value_name = "KEYS", default_value = "hot", help_heading = REQUESTS)]
    keys: Keys,
    /// Number of descriptors in each request: the given ones, repeated [default: as many as are given]
    #[arg(long = "descriptors", value_name = "N", help_heading = REQUESTS)]
    count: Option<NonZeroUsize>,
    /// A descriptor that a share of the requests has instead, such as one that is always denied
    #[arg(long, value_name = "KEY=VALUE,…", requires = "denied_share", help_heading = REQUESTS)]
    denied: Option<Entries>,
    /// The share of requests with the descriptor of --denied, such as 20%
    #[arg(long, value_name = "SHARE", requires = "denied", help_heading = REQUESTS)]
    denied_share: Option<Share>,
    /// Seed of the random numbers that choose keys: the same seed chooses the same keys
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = REQUESTS)]
    seed: u64,

    /// The server's process ID, to report its CPU time per answer (Linux)
    #[arg(long, value_name = "PID", help_heading = REPORT)]
    pid: Option<u32>,
    /// Print the report as JSON
    #[arg(long, help_heading = REPORT)]
    json: bool,
}

const HELP: &str = "\
Examples:
  tollgate bench localhost:8081 demo path=/hello
  tollgate bench localhost:8081 demo 'x-user=u{}' --keys zipf:10000 --rate 20000 --duration 1m

The hits are charged like those of any request. The exit code is 0 if every request was answered, 1 if not, 2 if nothing
could be measured. docs/performance.md explains the figures.";

impl LoadArgs {
    /// The scenario that the arguments define.
    ///
    /// # Errors
    /// If the descriptors do not contain the key of `--keys`.
    pub fn scenario(&self) -> Result<Scenario, RequestsError> {
        let descriptors: Vec<Descriptor> = self.descriptors.iter().map(|one| one.iter().collect()).collect();
        let count = self.count.or(NonZeroUsize::new(descriptors.len())).unwrap_or(NonZeroUsize::MIN);
        let denied: Option<Descriptor> = self.denied.as_ref().map(|denied| denied.iter().collect());
        let denied = denied.as_ref().zip(self.denied_share);
        let requests = Requests::new(&self.domain, &descriptors, count, self.keys, denied)?;
        Ok(Scenario { target: self.target.clone(), requests, config: self.config() })
    }

    fn config(&self) -> Config {
        Config {
            connections: self.connections,
            streams: self.streams,
            threads: self.threads.unwrap_or_else(load::cores).min(self.connections),
            pace: self.rate.map_or(Pace::Answers, Pace::Rate),
            until: self.requests.map_or(Until::Elapsed(self.duration), Until::Sent),
            warm_up: self.warm_up,
            timeout: self.timeout,
            seed: self.seed,
        }
    }

    /// The server's process ID, if its CPU time is to be reported.
    #[must_use]
    pub const fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Whether the report is JSON.
    #[must_use]
    pub const fn json(&self) -> bool {
        self.json
    }
}
