//! The one line that says what has started, whatever the log level: where standard error is no terminal, little else does.

use std::{fmt::Display, net::SocketAddr};

use crate::{
    engine::ActiveRules,
    settings::{Backend, RedisServer, RedisTopology, RulesSource, Settings},
    telemetry::logging::START,
};

/// What this was built from; `unknown` where the build was not told. See `build.rs`.
const COMMIT: &str = env!("TOLLGATE_COMMIT");

/// Where the listeners beside gRPC's listen; `None`: not at all.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    pub(super) http: Option<SocketAddr>,
    pub(super) debug: Option<SocketAddr>,
    pub(super) metrics: Option<SocketAddr>,
}

/// Logs it. `live` are the rules in force, if there are any yet.
pub(super) fn log(settings: &Settings, live: Option<&ActiveRules>, addresses: &Addresses, grpc: &dyn Display) {
    let or_off = |address: Option<SocketAddr>| address.map_or_else(|| "off".to_owned(), |address| address.to_string());
    let hash = live.map_or("none", |live| live.hash.get(..12).unwrap_or(&live.hash));
    tracing::info!(
        target: START,
        version = env!("CARGO_PKG_VERSION"),
        commit = COMMIT,
        store = store(&settings.backend),
        store_because = settings.backend_because.as_str(),
        failure_mode = settings.failure_mode.name(),
        rules_source = rules_source(&settings.rules.source),
        domains = live.map_or(0, |live| live.rules.domains().len()),
        rules = live.map_or(0, |live| live.rules.rule_count()),
        rules_hash = hash,
        grpc = %grpc,
        http = or_off(addresses.http),
        debug = or_off(addresses.debug),
        metrics = or_off(addresses.metrics),
        "{}",
        if live.is_some() { "tollgate started" } else { "tollgate started, without rules yet: see the lines before this one" }
    );
}

fn store(backend: &Backend) -> String {
    match backend {
        Backend::Memory { max_counters } => format!("memory (at most {max_counters} counters)"),
        Backend::Redis(redis) => {
            let seconds = redis.per_second.as_ref().map(|redis| format!(", per second {}", topology(&redis.topology)));
            format!("redis ({}{})", topology(&redis.main.topology), seconds.unwrap_or_default())
        }
    }
}

/// Where a Redis is, without who we are to it.
fn topology(topology: &RedisTopology) -> String {
    let list = |servers: &[RedisServer]| {
        let all: Vec<_> = servers.iter().take(3).map(|server| format!("{}:{}", server.host, server.port)).collect();
        let more = if servers.len() > all.len() { ", …" } else { "" };
        format!("{}{more}", all.join(", "))
    };
    match topology {
        RedisTopology::Tcp(server) => list(std::slice::from_ref(server)),
        RedisTopology::Unix(path) => path.display().to_string(),
        RedisTopology::Sentinel { master, sentinels, .. } => format!("{master} of the sentinels {}", list(sentinels)),
        RedisTopology::Cluster(nodes) => format!("cluster of {}", list(nodes)),
    }
}

fn rules_source(source: &RulesSource) -> String {
    match source {
        RulesSource::Path(path) => format!("RULES={}", path.display()),
        RulesSource::Runtime(runtime) => {
            let path = runtime.root.join(&runtime.subdirectory).join(&runtime.app_directory);
            format!("RUNTIME_ROOT, _SUBDIRECTORY and _APPDIRECTORY: {}", path.display())
        }
        RulesSource::Xds(xds) => format!("xds {}:{}", xds.server.host, xds.server.port),
    }
}
