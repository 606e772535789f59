//! What the service was told to be, typed: each struct is what one consumer needs.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use super::address::HostPort;
use super::redis::RedisSettings;
use super::tls::{GrpcTls, TlsIdentity};
use super::values::{HeaderName, HttpPath, NearLimitRatio};
use super::xds::XdsSettings;
use crate::domain::{FailureMode, Secret};

/// Every setting, resolved and valid. Made by [`Settings::resolve`].
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where `/healthcheck` and `/json` are served.
    pub http: HostPort,
    /// The HTTP listener's certificate; `None`: it serves without TLS.
    pub http_tls: Option<TlsIdentity>,
    /// Where `/rlconfig` and `/stats` are served.
    pub debug: HostPort,
    /// The gRPC listener.
    pub grpc: GrpcSettings,
    /// The Prometheus listener; `None` if it was turned off.
    pub metrics: Option<MetricsListener>,
    /// The most series that values taken from requests may make in one metric family.
    pub max_metric_series: NonZeroUsize,
    /// Threads that answer requests, each with its own runtime.
    pub workers: NonZeroUsize,
    /// Where the rules are and when they are read.
    pub rules: RulesSettings,
    /// Where the counters are.
    pub backend: Backend,
    /// What says so: a variable, or that none does.
    pub backend_because: String,
    /// How counters are named.
    pub keys: KeySettings,
    /// What to answer when the counters cannot be reached and the rule does not say.
    pub failure_mode: FailureMode,
    /// The answer to a request that cannot be decided.
    pub on_invalid_request: OnInvalidRequest,
    /// Whether requests may give hits back.
    pub refunds: Refunds,
    /// Modes that change every decision.
    pub modes: Modes,
    /// What an answer carries beside the decision.
    pub response: ResponseSettings,
    /// What one request may ask.
    pub request_limits: RequestLimits,
    /// When the service calls itself healthy.
    pub healthy_with_at_least_one_config_loaded: bool,
    /// What is logged, and how.
    pub logging: LoggingSettings,
    /// How the service stops.
    pub drain: DrainSettings,
    /// What was asked for and has no effect: one sentence each, to be logged once at start.
    pub warnings: Vec<String>,
}

/// The gRPC listener and its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcSettings {
    /// Where it listens.
    pub listen: Listen,
    /// How its connections are secured, those of a Unix socket included; `None`: not at all.
    pub tls: Option<GrpcTls>,
    /// A connection of this age (± 10 % jitter) is sent a GOAWAY; `None`: never.
    pub max_connection_age: Option<Duration>,
    /// How long after the GOAWAY a connection is closed with its calls; `None`: never.
    pub max_connection_age_grace: Option<Duration>,
    /// Calls in flight on one connection.
    pub max_concurrent_streams: NonZeroU32,
    /// What speaks HTTP/2.
    pub http2_server: Http2Server,
    /// The largest message, in bytes.
    pub max_request_bytes: NonZeroUsize,
    /// The largest header list of a call, in bytes, as HTTP/2 counts them.
    pub max_header_list_bytes: u32,
}

/// A place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A TCP address.
    Tcp(HostPort),
    /// A Unix socket.
    Unix(PathBuf),
}

/// The Prometheus listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsListener {
    /// Where it listens.
    pub address: HostPort,
    /// The path of the page.
    pub path: HttpPath,
    /// Its certificate; `None`: it serves without TLS.
    pub tls: Option<TlsIdentity>,
}

/// Where the rules are and when they are read.
#[derive(Clone, Debug, PartialEq)]
pub struct RulesSettings {
    /// Where they are.
    pub source: RulesSource,
    /// Where the file is that says what rules are which do not say it themselves.
    pub defaults: Option<PathBuf>,
    /// How often the files are compared with what was loaded, whether or not a change was noticed; `None`: never.
    pub poll_interval: Option<Duration>,
    /// Several files, or resources of xDS, may add to one domain.
    pub merge_domain_config: bool,
    /// Listen before the first load has ended.
    pub force_start_without_initial_config: bool,
}

/// Where the rules are.
#[derive(Clone, Debug, PartialEq)]
pub enum RulesSource {
    /// One file, or every file of a directory.
    Path(PathBuf),
    /// The layout of the reference: every file below `root/subdirectory/app_directory`.
    Runtime(RuntimeDirectory),
    /// An xDS server.
    Xds(Box<XdsSettings>),
}

/// The layout of the reference: every file below `root/subdirectory/app_directory`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeDirectory {
    /// `RUNTIME_ROOT`, often a symbolic link that is re-pointed to publish new rules.
    pub root: PathBuf,
    /// `RUNTIME_SUBDIRECTORY`, relative, may be empty.
    pub subdirectory: PathBuf,
    /// `RUNTIME_APPDIRECTORY`, relative, may be empty.
    pub app_directory: PathBuf,
    /// True: reload when `root` is re-pointed. False: watch the rules directory itself.
    pub watch_root: bool,
    /// Skip files and directories whose name begins with a dot.
    pub ignore_dot_files: bool,
}

/// Where the counters are.
#[derive(Clone, Debug, PartialEq)]
pub enum Backend {
    /// In this process.
    Memory {
        /// The most counters that are kept.
        max_counters: NonZeroUsize,
    },
    /// In Redis, where several processes share them.
    Redis(Box<RedisSettings>),
}

/// How counters are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySettings {
    /// What every counter key begins with; may be empty.
    pub prefix: String,
    /// Where set, values stand in counter keys as hashes keyed by it.
    pub descriptor_value_secret: Option<Secret>,
}

/// Modes that change every decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Modes {
    /// `SHADOW_MODE`: the overall answer is always OK.
    pub shadow: bool,
    /// `QUOTA_MODE`: every descriptor counts as a quota descriptor.
    pub quota: bool,
    /// `STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT`: a refused request is charged only to limits that it is over.
    pub stop_increment_when_over: bool,
    /// The part of a limit past which a hit counts as near it, in the statistics.
    pub near_limit_ratio: NearLimitRatio,
}

/// What an answer carries beside the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseSettings {
    /// Fill `dynamic_metadata`.
    pub dynamic_metadata: bool,
    /// Add headers of these names; `None`: no headers.
    pub headers: Option<HeaderNames>,
}

/// The names of the response headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderNames {
    /// Carries the limit.
    pub limit: HeaderName,
    /// Carries what remains of it.
    pub remaining: HeaderName,
    /// Carries the seconds until it is whole again.
    pub reset: HeaderName,
}

/// What one request may ask; one that asks more is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Descriptors in a request.
    pub max_descriptors: NonZeroUsize,
    /// Entries in a descriptor.
    pub max_entries: NonZeroUsize,
}

/// The answer to a request that cannot be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnInvalidRequest {
    /// An error that says why; Envoy lets the request pass unless `failure_mode_deny` is set.
    Error,
    /// The request is over its limit.
    Deny,
}

/// What speaks HTTP/2 on the gRPC listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http2Server {
    /// Our own server.
    Tollgate,
    /// hyper.
    Hyper,
}

/// What becomes of a request that gives hits back (`is_negative_hits`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refunds {
    /// The counter is reduced, as in the reference.
    Allow,
    /// The request is over its limit, and nothing of it is charged.
    Deny,
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggingSettings {
    /// Events below this level are not logged.
    pub level: LevelFilter,
    /// How an event is written.
    pub format: LogFormat,
}

/// How a log event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// A line for a person.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// How the service stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainSettings {
    /// How long it goes on accepting after its health has turned unhealthy.
    pub delay: Duration,
    /// How long calls in flight may take to finish after that.
    pub timeout: Duration,
}
