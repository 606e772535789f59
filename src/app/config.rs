//! The configuration of the service: the config type of each module, and values that several modules use. `settings`
//! makes it.
//!
//! Plain data: no file has been read and nothing is open or shared yet.

use std::{num::NonZeroUsize, time::Duration};

use limiter::domain::KeyBuilder;

use super::StoreConfig;
use crate::{
    api, engine,
    server::{HostPort, Listen, ServerConfig},
    source::{FileSourceConfig, Location, SourceConfig},
    telemetry::logging::LogConfig,
};

/// The whole service.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What is logged, and how.
    pub log: LogConfig,
    /// The gRPC listener.
    pub grpc: GrpcConfig,
    /// The HTTP listener: `/healthcheck` and `/json`.
    pub http: HttpConfig,
    /// The debug listener: `/rlconfig` and `/stats`.
    pub debug: HostPort,
    /// The Prometheus listener; `None` if it is turned off.
    pub metrics: Option<MetricsConfig>,
    /// How many series of one metric family may have labels from request values.
    pub max_metric_series: NonZeroUsize,
    /// Where the rules are and how they are read.
    pub rules: RulesConfig,
    /// Where the counters are.
    pub store: StoreConfig,
    /// Why this store is used: the variable that selects it, or that none does. For the start line.
    pub store_because: String,
    /// How the keys of counters are built.
    pub keys: KeyBuilder,
    /// How requests are decided.
    pub engine: engine::Options,
    /// How decisions become responses.
    pub response: api::ResponseOptions,
    /// The maximum size of a request message, in bytes.
    pub max_request_bytes: NonZeroUsize,
    /// Report unhealthy until rules with a domain are active.
    pub health_needs_domain: bool,
    /// How the service stops.
    pub drain: DrainConfig,
}

/// The gRPC listener and its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcConfig {
    /// Where it listens.
    pub listen: Listen,
    /// Its TLS files, which apply to a Unix socket too; `None`: it serves without TLS.
    pub tls: Option<tls::ServerFiles>,
    /// Its workers, and the limits and timeouts of its connections.
    pub server: ServerConfig,
}

/// The HTTP listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Where it listens.
    pub address: HostPort,
    /// Its certificate; `None`: it serves without TLS.
    pub tls: Option<tls::Identity>,
}

/// The Prometheus listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Where it listens.
    pub address: HostPort,
    /// The path of the metrics page: begins with a slash, has no query, and needs no escaping.
    pub path: String,
    /// Its certificate; `None`: it serves without TLS.
    pub tls: Option<tls::Identity>,
}

/// Where the rules are and how they are read.
#[derive(Clone, Debug, PartialEq)]
pub struct RulesConfig {
    /// Files, or an xDS server.
    pub source: SourceConfig,
    /// The file with defaults for rules that do not set `algorithm`, `burst` and others themselves.
    pub defaults: Option<FileSourceConfig>,
    /// Merge files, or xDS resources, that have the same domain.
    pub merge_domains: bool,
    /// Bind the listeners before the first load of rules has ended.
    pub listen_before_loaded: bool,
}

impl RulesConfig {
    /// The settings that determine `source`, for error messages.
    pub(super) const fn source_setting(&self) -> &'static str {
        match &self.source {
            SourceConfig::Files(FileSourceConfig { location: Location::Path(_), .. }) => "RULES, --rules",
            SourceConfig::Files(FileSourceConfig { location: Location::Runtime { .. }, .. }) => {
                "RUNTIME_ROOT, RUNTIME_SUBDIRECTORY, RUNTIME_APPDIRECTORY; or name a file or a directory with RULES or \
                 --rules"
            }
            SourceConfig::Xds(_) => "CONFIG_GRPC_XDS_SERVER_URL",
        }
    }
}

/// How the service stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainConfig {
    /// How long connections are still accepted after the health has become unhealthy.
    pub delay: Duration,
    /// How long calls in flight may take to finish after the delay.
    pub timeout: Duration,
}
