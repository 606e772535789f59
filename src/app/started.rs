//! The start line: what has started, with which store and rules, at any log level. If standard error is no terminal, it
//! is often the only line about the start.

use std::fmt::Display;

use super::{Config, StoreConfig};
use crate::{
    engine::ActiveRules,
    server::LocalAddr,
    source::{Location, SourceConfig},
    telemetry::logging::START,
};
#[cfg(feature = "redis")]
use redis::{Address, HostPort, Topology};

/// The commit that this was built from; `unknown` if the build has no such information. See `build.rs`.
const COMMIT: &str = env!("TOLLGATE_COMMIT");

/// The addresses of the listeners other than gRPC; `None`: it is off.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    pub(super) http: Option<LocalAddr>,
    pub(super) debug: Option<LocalAddr>,
    pub(super) metrics: Option<LocalAddr>,
}

/// Logs the start line. `active` is `None` before rules are loaded.
pub(super) fn log(config: &Config, active: Option<&ActiveRules>, addresses: &Addresses, grpc: &dyn Display) {
    let or_off = |address: &Option<LocalAddr>| address.as_ref().map_or_else(|| "off".to_owned(), LocalAddr::to_string);
    let hash = active.map_or("none", |active| active.hash.get(..12).unwrap_or(&active.hash));
    tracing::info!(
        target: START,
        version = env!("CARGO_PKG_VERSION"),
        commit = COMMIT,
        store = store(&config.store),
        store_because = config.store_because.as_str(),
        failure_mode = config.engine.on_store_failure.name(),
        rules_source = rules_source(&config.rules.source),
        domains = active.map_or(0, |active| active.rules.domains().len()),
        rules = active.map_or(0, |active| active.rules.rule_count()),
        rules_hash = hash,
        grpc = %grpc,
        http = or_off(&addresses.http),
        debug = or_off(&addresses.debug),
        metrics = or_off(&addresses.metrics),
        "{}",
        if active.is_some() {
            "tollgate started"
        } else {
            "tollgate started, without rules yet: see the lines before this one"
        }
    );
}

fn store(store: &StoreConfig) -> String {
    match store {
        StoreConfig::Memory(memory) => format!("memory (at most {} counters)", memory.max_counters),
        #[cfg(feature = "redis")]
        StoreConfig::Redis(config) => {
            let (main, second) = (&config.redis.main, config.redis.per_second.as_ref());
            let second = second.map(|one| format!(", per second {}", topology(&one.topology)));
            format!("redis ({}{})", topology(&main.topology), second.unwrap_or_default())
        }
    }
}

/// The addresses of a Redis, without credentials.
#[cfg(feature = "redis")]
fn topology(topology: &Topology) -> String {
    let list = |servers: &[HostPort]| {
        let all: Vec<_> = servers.iter().take(3).map(|server| format!("{}:{}", server.host, server.port)).collect();
        let more = if servers.len() > all.len() { ", …" } else { "" };
        format!("{}{more}", all.join(", "))
    };
    match topology {
        Topology::Single(Address::Tcp(server)) => list(std::slice::from_ref(server)),
        Topology::Single(Address::Unix(path)) => path.display().to_string(),
        Topology::Sentinel { master, sentinels, .. } => format!("{master} of the sentinels {}", list(sentinels)),
        Topology::Cluster(nodes) => format!("cluster of {}", list(nodes)),
    }
}

fn rules_source(source: &SourceConfig) -> String {
    match source {
        SourceConfig::Files(files) => match &files.location {
            Location::Path(path) => format!("RULES={}", path.display()),
            Location::Runtime { root, subdirectory, app_directory, .. } => {
                let path = root.join(subdirectory).join(app_directory);
                format!("RUNTIME_ROOT, _SUBDIRECTORY and _APPDIRECTORY: {}", path.display())
            }
        },
        SourceConfig::Xds(xds) => format!("xds {}:{}", xds.host, xds.port),
    }
}
