//! Fills the configuration of each module from the variables' values: one line for each variable.

#[cfg(feature = "redis")]
mod redis;
pub(super) mod store;
pub(super) mod tls;
mod xds;

use std::num::NonZeroUsize;
use std::path::{Component, Path, PathBuf};

use self::store::because;
use self::tls::ListenersTls;
use super::choices::{ConfigType, OnInvalidRequest, Refunds};
use super::parse::unless_zero;
use super::values::Workers;
use super::variables::Raw;
use crate::api::{Budget, HeaderNames, ResponseOptions};
use crate::app::{Config, DrainConfig, GrpcConfig, HttpConfig, MetricsConfig, RulesConfig, StoreConfig};
use crate::engine;
use crate::server::{ConnectionLimits, HostPort, Listen, ServerConfig, window_for};
use crate::source::{FileSourceConfig, Location, SourceConfig};
use crate::telemetry::logging::LogConfig;
use limiter::domain::{Code, KeyBuilder};

pub(super) fn config(raw: Raw, workers: NonZeroUsize, store: StoreConfig, tls: ListenersTls) -> Config {
    Config {
        log: LogConfig { level: raw.log_level.value, format: raw.log_format.value },
        store_because: because(&raw),
        store,
        rules: rules(&raw),
        keys: keys(&raw),
        engine: engine(&raw),
        response: response(&raw),
        grpc: GrpcConfig {
            server: server(&raw, workers),
            listen: match raw.grpc_uds.value {
                Some(path) => Listen::Unix(path),
                None => Listen::Tcp(HostPort { host: raw.grpc_host.value, port: raw.grpc_port.value }),
            },
            tls: tls.grpc,
        },
        http: HttpConfig { address: HostPort { host: raw.host.value, port: raw.port.value }, tls: tls.http },
        debug: HostPort { host: raw.debug_host.value, port: raw.debug_port.value },
        metrics: raw.use_prometheus.value.then_some(MetricsConfig {
            address: raw.prometheus_addr.value,
            path: raw.prometheus_path.value.into_string(),
            tls: tls.metrics,
        }),
        max_metric_series: raw.max_metric_series.value,
        max_request_bytes: raw.max_request_bytes.value,
        health_needs_domain: raw.healthy_with_config.value,
        drain: DrainConfig { delay: raw.drain_delay.value, timeout: raw.drain_timeout.value },
    }
}

/// The number of workers; by default, the number of CPUs that this process may use.
pub(super) fn workers(raw: &Raw) -> NonZeroUsize {
    let available = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    raw.workers.value.map_or_else(available, Workers::get)
}

fn server(raw: &Raw, workers: NonZeroUsize) -> ServerConfig {
    let max_request = raw.max_request_bytes.value.get();
    ServerConfig {
        workers,
        max_connection_age: raw.grpc_max_connection_age.value,
        max_connection_age_grace: raw.grpc_max_connection_age_grace.value.0,
        max_concurrent_streams: raw.max_concurrent_streams.value,
        // bounded by its type
        max_header_list_size: u32::try_from(raw.max_header_list_bytes.value.get().get()).unwrap_or(u32::MAX),
        http2: raw.http2_server.value,
        stream_window: window_for(max_request),
        connection_window: window_for(Budget::of_connection(max_request)),
        limits: ConnectionLimits::default(),
    }
}

fn rules(raw: &Raw) -> RulesConfig {
    let files = |location| FileSourceConfig::new(location, unless_zero(raw.rules_poll_interval.value));
    RulesConfig {
        source: match raw.config_type.value {
            ConfigType::Xds => SourceConfig::Xds(Box::new(xds::config(raw))),
            ConfigType::File => SourceConfig::Files(files(location(raw))),
        },
        defaults: raw.rule_defaults.value.clone().map(|path| files(Location::Path(path))),
        merge_domains: raw.merge_domain_config.value,
        listen_before_loaded: raw.force_start.value,
    }
}

fn location(raw: &Raw) -> Location {
    match &raw.rules.value {
        Some(path) => Location::Path(path.clone()),
        None => Location::Runtime {
            root: raw.runtime_root.value.clone(),
            subdirectory: below_root(&raw.runtime_subdirectory.value),
            app_directory: below_root(&raw.runtime_app_directory.value),
            watch_root: raw.runtime_watch_root.value,
            ignore_dot_files: raw.runtime_ignore_dot_files.value,
        },
    }
}

/// Removes a leading slash, which the reference ignores because it joins the parts as text. `Path::join` would replace
/// the root.
fn below_root(path: &Path) -> String {
    let parts = path.components().filter(|part| !matches!(part, Component::RootDir | Component::Prefix(_)));
    parts.collect::<PathBuf>().to_string_lossy().into_owned()
}

fn keys(raw: &Raw) -> KeyBuilder {
    let keys = KeyBuilder::new(&raw.cache_key_prefix.value);
    match &raw.descriptor_value_secret.value {
        Some(secret) => keys.hashing_values(secret.expose()),
        None => keys,
    }
}

fn engine(raw: &Raw) -> engine::Options {
    engine::Options {
        modes: engine::Modes {
            shadow: raw.shadow_mode.value,
            quota: raw.quota_mode.value,
            atomic: raw.stop_increment.value,
        },
        limits: engine::RequestLimits {
            max_descriptors: raw.max_descriptors.value,
            max_entries: raw.max_entries.value,
        },
        near_limit_ratio: raw.near_limit_ratio.value.get(),
        on_store_failure: raw.failure_mode.value,
        refunds: raw.refunds.value == Refunds::Allow,
    }
}

fn response(raw: &Raw) -> ResponseOptions {
    let denied = if raw.shadow_mode.value { Code::Ok } else { Code::OverLimit };
    ResponseOptions {
        headers: raw.response_headers.value.then(|| HeaderNames {
            limit: raw.header_limit.value.clone(),
            remaining: raw.header_remaining.value.clone(),
            reset: raw.header_reset.value.clone(),
        }),
        dynamic_metadata: raw.response_dynamic_metadata.value,
        undecidable: (raw.on_invalid_request.value == OnInvalidRequest::Deny).then_some(denied),
        refund: (raw.refunds.value == Refunds::Deny).then_some(denied),
    }
}
