//! From the variables' values, each valid by itself, to the settings, which are valid together.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::address::HostPort;
use super::error::{Problem, SettingsError};
use super::idle::{GATES, Idle};
use super::parse::{BackendType, ConfigType};
use super::redis;
use super::table::{Feature, Found, Given, Note, Override, Reader};
use super::tls::{self, ListenersTls};
use super::types::{
    Backend, DrainSettings, GrpcSettings, HeaderNames, KeySettings, Listen, LoggingSettings, MetricsListener, Modes,
    RequestLimits, ResponseSettings, RulesSettings, RulesSource, RuntimeDirectory, Settings,
};
use super::values::Workers;
use super::variables::Raw;
use super::warnings::{Findings, warnings};
use super::xds;

impl Settings {
    /// Reads every variable from `env`, where `overrides` do not give it. `names` are all that `env` has, for warnings of
    /// those that are known by how they begin.
    ///
    /// # Errors
    /// Every value that cannot be read, and every one that asks for a feature that does not exist yet. The process
    /// should exit with status 2.
    pub fn resolve(
        overrides: &[Override],
        env: impl Fn(&str) -> Option<OsString>,
        names: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, SettingsError> {
        let mut reader = Reader::new(overrides, &env);
        let raw = Raw::read(&mut reader);
        let Reader { mut problems, given, empty, mut notes, .. } = reader;
        let idle = Idle::of(&raw);
        forgive_what_is_idle(&idle, &given, &mut problems);
        let backend = backend(&raw, &empty, &mut problems, &mut notes);
        let tls = tls::listeners(&raw, &mut problems);
        refuse_what_is_to_come(&raw, &mut problems);
        match backend {
            Some(backend) if problems.is_empty() => {
                let names = not_empty(names, &env);
                let warnings = warnings(&idle, Findings { given, notes }, &names);
                Ok(typed(warnings, backend, rules_source(&raw), tls, raw))
            }
            _ => Err(SettingsError(problems)),
        }
    }
}

/// What has no effect cannot be wrong: a warning names it.
fn forgive_what_is_idle(idle: &Idle<'_>, given: &[Found], problems: &mut Vec<Problem>) {
    let is_idle = |problem: &Problem| {
        let name = problem.place().variable;
        given.iter().any(|one| one.variable.name == name && idle.reason(&one.variable).is_some())
    };
    if !problems.iter().any(|problem| GATES.contains(&problem.place().variable) && !is_idle(problem)) {
        problems.retain(|problem| !is_idle(problem));
    }
}

/// The names whose values ask for something, sorted.
fn not_empty(names: impl IntoIterator<Item = OsString>, env: &dyn Fn(&str) -> Option<OsString>) -> Vec<String> {
    let names = names.into_iter().filter_map(|name| name.into_string().ok());
    let mut names: Vec<String> = names.filter(|name| env(name).is_some_and(|value| !value.is_empty())).collect();
    names.sort_unstable();
    names
}

fn typed(warnings: Vec<String>, backend: Backend, source: RulesSource, tls: ListenersTls, raw: Raw) -> Settings {
    let backend_because = backend_because(&raw);
    Settings {
        http: HostPort { host: raw.host.value, port: raw.port.value },
        http_tls: tls.http,
        debug: HostPort { host: raw.debug_host.value, port: raw.debug_port.value },
        grpc: GrpcSettings {
            listen: match raw.grpc_uds.value {
                Some(path) => Listen::Unix(path),
                None => Listen::Tcp(HostPort { host: raw.grpc_host.value, port: raw.grpc_port.value }),
            },
            tls: tls.grpc,
            max_connection_age: unless_zero(raw.grpc_max_connection_age.value),
            max_connection_age_grace: unless_zero(raw.grpc_max_connection_age_grace.value.0),
            max_concurrent_streams: raw.max_concurrent_streams.value,
            max_request_bytes: raw.max_request_bytes.value,
            // bounded by its type
            http2_server: raw.http2_server.value,
            max_header_list_bytes: u32::try_from(raw.max_header_list_bytes.value.get().get()).unwrap_or(u32::MAX),
        },
        metrics: raw.use_prometheus.value.then_some(MetricsListener {
            address: raw.prometheus_addr.value,
            path: raw.prometheus_path.value,
            tls: tls.metrics,
        }),
        max_metric_series: raw.max_metric_series.value,
        workers: raw.workers.value.map_or_else(available_parallelism, Workers::get),
        rules: RulesSettings {
            source,
            defaults: raw.rule_defaults.value,
            poll_interval: unless_zero(raw.rules_poll_interval.value),
            merge_domain_config: raw.merge_domain_config.value,
            force_start_without_initial_config: raw.force_start.value,
        },
        backend,
        backend_because,
        keys: KeySettings {
            prefix: raw.cache_key_prefix.value,
            descriptor_value_secret: raw.descriptor_value_secret.value,
        },
        failure_mode: raw.failure_mode.value,
        on_invalid_request: raw.on_invalid_request.value,
        refunds: raw.refunds.value,
        modes: Modes {
            shadow: raw.shadow_mode.value,
            quota: raw.quota_mode.value,
            stop_increment_when_over: raw.stop_increment.value,
            near_limit_ratio: raw.near_limit_ratio.value,
        },
        response: ResponseSettings {
            dynamic_metadata: raw.response_dynamic_metadata.value,
            headers: raw.response_headers.value.then_some(HeaderNames {
                limit: raw.header_limit.value,
                remaining: raw.header_remaining.value,
                reset: raw.header_reset.value,
            }),
        },
        request_limits: RequestLimits {
            max_descriptors: raw.max_descriptors.value,
            max_entries: raw.max_entries.value,
        },
        healthy_with_at_least_one_config_loaded: raw.healthy_with_config.value,
        logging: LoggingSettings { level: raw.log_level.value, format: raw.log_format.value },
        drain: DrainSettings { delay: raw.drain_delay.value, timeout: raw.drain_timeout.value },
        warnings,
    }
}

/// Where the rules are.
fn rules_source(raw: &Raw) -> RulesSource {
    match (raw.config_type.value, &raw.rules.value) {
        (ConfigType::Xds, _) => RulesSource::Xds(Box::new(xds::settings(raw))),
        (ConfigType::File, Some(path)) => RulesSource::Path(path.clone()),
        (ConfigType::File, None) => RulesSource::Runtime(RuntimeDirectory {
            root: raw.runtime_root.value.clone(),
            subdirectory: below_root(&raw.runtime_subdirectory.value),
            app_directory: below_root(&raw.runtime_app_directory.value),
            watch_root: raw.runtime_watch_root.value,
            ignore_dot_files: raw.runtime_ignore_dot_files.value,
        }),
    }
}

/// Where the counters are; `None` if that cannot be told, and then there is a problem.
fn backend(raw: &Raw, empty: &[&str], problems: &mut Vec<Problem>, notes: &mut Vec<Note>) -> Option<Backend> {
    let Some(asks) = asks_for_redis(raw) else {
        if empty.contains(&"REDIS_URL") && raw.backend_type.value.is_none() {
            let text = "REDIS_URL is empty, as where a template lost its value: counters are in this process, so each \
                        replica has the whole of each limit; give it an address, or set BACKEND_TYPE=memory";
            notes.push(Note { variable: "BACKEND_TYPE", text: text.to_owned() });
        }
        return Some(Backend::Memory { max_counters: raw.max_counters.value.get() });
    };
    if cfg!(not(feature = "redis")) {
        let (place, value) = (asks.place, asks.shown.clone());
        problems.push(Problem::NotBuilt { place, value, feature: "the Redis backend" });
        return None;
    }
    redis::settings(raw, problems, notes).map(|redis| Backend::Redis(Box::new(redis)))
}

/// What says that the counters are in Redis.
pub(super) fn asks_for_redis(raw: &Raw) -> Option<&Given> {
    match (raw.backend_type.value, &raw.backend_type.given) {
        (Some(BackendType::Redis), given) => given.as_ref(),
        (_, Some(_)) => None,
        // As in the reference, where Redis is the default: whoever names one wants it.
        (_, None) => {
            // One that cannot be read asks for it too: the fault is to end the start, not to count in memory.
            let (url, kind) = (raw.redis_url.given.as_ref(), raw.redis_type.given.as_ref());
            url.or(kind).or(raw.redis_socket_type.given.as_ref())
        }
    }
}

/// What says where the counters are. Without values, for a URL may hold a password.
fn backend_because(raw: &Raw) -> String {
    match (asks_for_redis(raw), &raw.backend_type.given) {
        (Some(given), _) if given.place.variable != "BACKEND_TYPE" => format!("{} is set", given.place),
        (_, Some(given)) => given.to_string(),
        _ => "BACKEND_TYPE, REDIS_URL, REDIS_TYPE and REDIS_SOCKET_TYPE are not set".to_owned(),
    }
}

/// Adds a problem for each feature that is asked for and does not exist yet.
fn refuse_what_is_to_come(raw: &Raw, problems: &mut Vec<Problem>) {
    if let (Some(BackendType::Memcache), Some(given)) = (raw.backend_type.value, &raw.backend_type.given) {
        problems.push(Problem::NotSupportedYet {
            place: given.place,
            value: given.shown.clone(),
            feature: Feature::Memcache.name(),
            cure: Feature::Memcache.cure(),
        });
    }
}

/// A leading slash means nothing here: the reference joins the parts as text, where `Path::join` would leave the root.
fn below_root(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, Component::RootDir | Component::Prefix(_))).collect()
}

pub(super) fn unless_zero(duration: Duration) -> Option<Duration> {
    (!duration.is_zero()).then_some(duration)
}

fn available_parallelism() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
