//! The configuration of the service: each module's own, and what concerns several of them. `settings` fills it.
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
    /// The log.
    pub log: LogConfig,
    /// The gRPC listener.
    pub grpc: GrpcConfig,
    /// The HTTP listener: `/healthcheck` and `/json`.
    pub http: HttpConfig,
    /// Where `/rlconfig` and `/stats` are served.
    pub debug: HostPort,
    /// The Prometheus listener; `None` if it was turned off.
    pub metrics: Option<MetricsConfig>,
    /// The most series that values taken from requests may make in one metric family.
    pub max_metric_series: NonZeroUsize,
    /// The rules.
    pub rules: RulesConfig,
    /// Where the counters are.
    pub store: StoreConfig,
    /// Which variable decides that, or that none does.
    pub store_because: String,
    /// How counters are named.
    pub keys: KeyBuilder,
    /// How requests are decided.
    pub engine: engine::Options,
    /// How they are answered.
    pub response: api::ResponseOptions,
    /// The largest request, in bytes.
    pub max_request_bytes: NonZeroUsize,
    /// Be unhealthy until a domain is loaded.
    pub health_needs_domain: bool,
    /// How the service stops.
    pub drain: DrainConfig,
}

/// The gRPC listener and its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcConfig {
    /// Where it listens.
    pub listen: Listen,
    /// How its connections are secured, those of a Unix socket included; `None`: not at all.
    pub tls: Option<tls::ServerFiles>,
    /// How its connections are served.
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
    /// The path of the page: begins with a slash, has no query, and needs no escaping.
    pub path: String,
    /// Its certificate; `None`: it serves without TLS.
    pub tls: Option<tls::Identity>,
}

/// Where the rules are and how they are read.
#[derive(Clone, Debug, PartialEq)]
pub struct RulesConfig {
    /// Where they are.
    pub source: SourceConfig,
    /// The file with defaults for rules that do not set `algorithm`, `burst` and others themselves.
    pub defaults: Option<FileSourceConfig>,
    /// Several files, or resources of xDS, may add to one domain.
    pub merge_domains: bool,
    /// Listen before the first load has ended.
    pub listen_before_loaded: bool,
}

impl RulesConfig {
    /// The settings that say where they are.
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
    /// How long it goes on accepting after its health has turned unhealthy.
    pub delay: Duration,
    /// How long calls in flight may take to finish after that.
    pub timeout: Duration,
}
