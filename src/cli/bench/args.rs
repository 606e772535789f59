//! What was typed behind `bench`.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

use clap::{Args, Subcommand};

use super::targets::TargetsArgs;
use super::{
    super::entries::Entries,
    ceiling::bare::BareArgs,
    plan::{Pace, Plan, Until},
    request::{Keys, Share},
    target::Target,
};

const LOAD: &str = "Load";
const ASKED: &str = "What is asked";
const COMPARED: &str = "Compared";
const REPORT: &str = "Report";

/// `bench ADDR DOMAIN k=v,k=v…`, or another command
#[derive(Args, Clone, Debug, PartialEq)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_help = HELP)]
pub struct BenchArgs {
    #[command(subcommand)]
    pub(super) command: Option<BenchCommand>,
    #[command(flatten)]
    pub(super) load: Option<LoadArgs>,
}

/// What else `bench` does.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub(super) enum BenchCommand {
    /// Serve as the ceiling: tonic alone, answering OK to everything
    Bare(BareArgs),
    /// Measure everything that is promised of Tollgate's speed, with servers that are started for it
    Targets(TargetsArgs),
}

/// `bench ADDR DOMAIN k=v,k=v…`
#[derive(Args, Clone, Debug, PartialEq)]
pub(super) struct LoadArgs {
    /// The gRPC address of the service, such as localhost:8081 or unix:/run/tollgate.sock
    #[arg(value_name = "ADDR")]
    pub(super) target: Target,
    /// The domain
    pub(super) domain: String,
    /// The descriptors of each request; in a value, {} stands for the number of a key
    #[arg(required = true, value_name = "KEY=VALUE,…")]
    pub(super) descriptors: Vec<Entries>,

    /// Connections
    #[arg(short, long, value_name = "N", default_value = "8", help_heading = LOAD)]
    pub(super) connections: NonZeroUsize,
    /// Requests under way on each connection, at most
    #[arg(short = 'm', long, value_name = "N", default_value = "32", help_heading = LOAD)]
    pub(super) streams: NonZeroUsize,
    /// Open loop: requests a second on all connections together, and latencies from when each was due. Without it, closed
    /// loop: the next request goes as soon as an answer has come
    #[arg(long, value_name = "N", help_heading = LOAD)]
    pub(super) rate: Option<NonZeroU32>,
    /// How long, such as 30s or 2m
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = duration, conflicts_with = "requests", help_heading = LOAD)]
    pub(super) duration: Duration,
    /// How many requests, instead of how long
    #[arg(short = 'n', long, value_name = "N", help_heading = LOAD)]
    pub(super) requests: Option<NonZeroU64>,
    /// What is sent in this time before is not counted; 0s for none
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration, help_heading = LOAD)]
    pub(super) warm_up: Duration,
    /// A request without an answer after this has failed
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration, help_heading = LOAD)]
    pub(super) timeout: Duration,
    /// Threads that make the load [default: one for each core]
    #[arg(long, value_name = "N", help_heading = LOAD)]
    pub(super) threads: Option<NonZeroUsize>,

    /// Which key a {} becomes: hot (always the first), uniform:N (one of N), or zipf:N:EXPONENT (the first ones more often)
    #[arg(long, value_name = "KEYS", default_value = "hot", help_heading = ASKED)]
    pub(super) keys: Keys,
    /// Descriptors of each request: those that were given, over and over [default: as many as were given]
    #[arg(long = "descriptors", value_name = "N", help_heading = ASKED)]
    pub(super) count: Option<NonZeroUsize>,
    /// A descriptor that a part of the requests asks about instead, such as one that is always denied
    #[arg(long, value_name = "KEY=VALUE,…", requires = "denied_share", help_heading = ASKED)]
    pub(super) denied: Option<Entries>,
    /// That part, such as 20%
    #[arg(long, value_name = "SHARE", requires = "denied", help_heading = ASKED)]
    pub(super) denied_share: Option<Share>,
    /// Of the random numbers that draw keys: the same seed draws the same
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = ASKED)]
    pub(super) seed: u64,

    /// Compare with the ceilings, round after round: with tonic alone, which answers OK to the same requests, and with --redis
    #[arg(long, help_heading = COMPARED)]
    pub(super) ceilings: bool,
    /// The Redis in use, such as redis://localhost:6379: its script rate, and its CPU time. It gets keys that expire within
    /// a minute
    #[arg(long, value_name = "URL", requires = "ceilings", help_heading = COMPARED)]
    pub(super) redis: Option<String>,
    /// Rounds of the comparison
    #[arg(long, value_name = "N", default_value = "5", requires = "ceilings", help_heading = COMPARED)]
    pub(super) pairs: NonZeroUsize,

    /// The server's process, to report its CPU time for each answer (Linux)
    #[arg(long, value_name = "PID", help_heading = REPORT)]
    pub(super) pid: Option<u32>,
    /// Report in JSON
    #[arg(long, help_heading = REPORT)]
    pub(super) json: bool,
}

const HELP: &str = "\
Examples:
  tollgate bench localhost:8081 demo path=/hello
  tollgate bench localhost:8081 demo 'x-user=u{}' --keys zipf:10000 --rate 20000 --duration 1m

  tollgate bench localhost:8081 demo 'x-user=u{}' --keys zipf:10000 --ceilings \\
      --redis redis://localhost:6379

Hits are charged as if they were real. The exit code is 0 if every request was answered, 1 if not, 2 if nothing could be
measured. docs/performance.md says how to read the figures.";

impl LoadArgs {
    pub(super) fn plan(&self) -> Plan {
        let threads = self.threads.unwrap_or_else(cores);
        Plan {
            connections: self.connections,
            streams: self.streams,
            threads: threads.min(self.connections),
            pace: self.rate.map_or(Pace::Answers, Pace::Rate),
            until: self.requests.map_or(Until::Elapsed(self.duration), Until::Sent),
            warm_up: self.warm_up,
            timeout: self.timeout,
            seed: self.seed,
        }
    }

    pub(super) fn descriptor_count(&self) -> NonZeroUsize {
        self.count.or(NonZeroUsize::new(self.descriptors.len())).unwrap_or(NonZeroUsize::MIN)
    }

    pub(super) fn denied(&self) -> Option<(&Entries, Share)> {
        Some((self.denied.as_ref()?, self.denied_share?))
    }
}

pub(super) fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write a time such as 10s, 500ms or 2m"))
}
