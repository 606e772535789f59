//! Settings, as each module's own configuration.

use std::{path::Path, sync::Arc, time::Duration};

use crate::{
    api,
    domain::{Capabilities, KeyBuilder},
    engine,
    rules::CompileOptions,
    server::{self, ServerConfig},
    settings::{Host, KeySettings, Listen, ResponseSettings, RulesSettings, RulesSource, Settings},
    source::{FileSource, FileSourceConfig, Location},
    tls::ServerTls,
};

/// A duration that never ends, for what can be turned off.
const NEVER: Duration = Duration::MAX;

pub(super) fn listen(listen: &Listen) -> server::Listen {
    match listen {
        Listen::Tcp(at) => server::Listen::Tcp { host: host(&at.host), port: at.port },
        Listen::Unix(path) => server::Listen::Unix(path.clone()),
    }
}

/// A host as the binder takes it.
pub(super) fn host(host: &Host) -> String {
    match host {
        Host::Any => "::".to_owned(),
        Host::Ip(address) => address.to_string(),
        Host::Name(name) => name.clone(),
    }
}

pub(super) fn server(settings: &Settings, tls: Option<Arc<ServerTls>>) -> ServerConfig {
    ServerConfig {
        tls,
        workers: settings.workers,
        max_connection_age: settings.grpc.max_connection_age.unwrap_or_default(),
        max_connection_age_grace: settings.grpc.max_connection_age_grace.unwrap_or_default(),
        max_concurrent_streams: settings.grpc.max_concurrent_streams.get(),
        ..ServerConfig::default()
    }
}

pub(super) fn file_source(rules: &RulesSettings) -> FileSource {
    let location = match &rules.source {
        RulesSource::Path(path) => Location::Path(path.clone()),
        RulesSource::Runtime(runtime) => Location::Runtime {
            root: runtime.root.clone(),
            subdirectory: runtime.subdirectory.to_string_lossy().into_owned(),
            app_directory: runtime.app_directory.to_string_lossy().into_owned(),
            watch_root: runtime.watch_root,
            ignore_dot_files: runtime.ignore_dot_files,
        },
    };
    watched(location, rules)
}

/// The file of the rules' defaults.
pub(super) fn defaults_source(path: &Path, rules: &RulesSettings) -> FileSource {
    watched(Location::Path(path.to_owned()), rules)
}

fn watched(location: Location, rules: &RulesSettings) -> FileSource {
    let poll_interval = rules.poll_interval.unwrap_or(NEVER);
    FileSource::new(FileSourceConfig { poll_interval, ..FileSourceConfig::new(location) })
}

pub(super) fn compile_options(settings: &Settings, capabilities: Capabilities) -> CompileOptions<'static> {
    CompileOptions { merge_domains: settings.rules.merge_domain_config, capabilities, defaults: None }
}

pub(super) fn engine_options(settings: &Settings) -> engine::Options {
    engine::Options {
        modes: engine::Modes {
            shadow: settings.modes.shadow,
            quota: settings.modes.quota,
            atomic: settings.modes.stop_increment_when_over,
        },
        limits: engine::RequestLimits {
            max_descriptors: settings.request_limits.max_descriptors,
            max_entries: settings.request_limits.max_entries,
        },
        near_limit_ratio: settings.modes.near_limit_ratio.get(),
        on_store_failure: settings.failure_mode,
    }
}

pub(super) fn keys(keys: &KeySettings) -> KeyBuilder {
    let builder = KeyBuilder::new(&keys.prefix);
    match &keys.descriptor_value_secret {
        Some(secret) => builder.hashing_values(secret.expose()),
        None => builder,
    }
}

pub(super) fn response_options(response: &ResponseSettings) -> api::ResponseOptions {
    let headers = response.headers.as_ref().map(|names| api::HeaderNames {
        limit: names.limit.as_str().to_owned(),
        remaining: names.remaining.as_str().to_owned(),
        reset: names.reset.as_str().to_owned(),
    });
    api::ResponseOptions { headers, dynamic_metadata: response.dynamic_metadata }
}
