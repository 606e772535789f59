//! Settings, as each module's own configuration.

use std::{path::Path, sync::Arc, time::Duration};

use crate::{
    api,
    domain::{Capabilities, Code, KeyBuilder, Secret},
    engine,
    rejections::Rejections,
    rules::CompileOptions,
    server::{self, Http2, ServerConfig},
    settings::{
        HeaderName, Host, Http2Server, KeySettings, Listen, OnInvalidRequest, Refunds, RulesSettings, RulesSource,
        Settings, XdsSettings,
    },
    source::{
        BackoffConfig, BadHeader, FileSource, FileSourceConfig, Location, Source, XdsConfig, XdsSource, XdsStats,
        XdsTlsConfig,
    },
    tls::{ClientFiles, Identity, ServerTls},
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

pub(super) fn server(settings: &Settings, tls: Option<Arc<ServerTls>>, rejections: Arc<Rejections>) -> ServerConfig {
    ServerConfig {
        tls,
        rejections,
        workers: settings.workers,
        max_connection_age: settings.grpc.max_connection_age.unwrap_or_default(),
        max_connection_age_grace: settings.grpc.max_connection_age_grace.unwrap_or_default(),
        max_concurrent_streams: settings.grpc.max_concurrent_streams.get(),
        max_header_list_size: settings.grpc.max_header_list_bytes,
        http2: match settings.grpc.http2_server {
            Http2Server::Tollgate => Http2::Wire,
            Http2Server::Hyper => Http2::Hyper,
        },
        stream_window: window(settings.grpc.max_request_bytes.get()),
        connection_window: window(api::Budget::of_connection(settings.grpc.max_request_bytes.get())),
        ..ServerConfig::default()
    }
}

/// A window of HTTP/2 for so many bytes, and for what frames them.
fn window(bytes: usize) -> u32 {
    const FRAMING: usize = 16 << 10;
    u32::try_from(bytes.saturating_add(FRAMING)).unwrap_or(u32::MAX)
}

/// Where the rules come from, and what a scrape reads of it if that is an xDS server.
pub(super) fn source(rules: &RulesSettings) -> Result<(Source, Option<Arc<XdsStats>>), BadHeader> {
    if let RulesSource::Xds(xds) = &rules.source {
        let stats = Arc::new(XdsStats::new(xds.tls.is_some()));
        let source = XdsSource::new(xds_source(xds), Arc::clone(&stats))?;
        return Ok((Source::Xds(Box::new(source)), Some(stats)));
    }
    let location = location(&rules.source).expect("what is no xDS server is files");
    Ok((Source::Files(watched(location, rules)), None))
}

/// Where the files of the rules are, if that is where they come from.
pub(super) fn location(source: &RulesSource) -> Option<Location> {
    Some(match source {
        RulesSource::Xds(_) => return None,
        RulesSource::Path(path) => Location::Path(path.clone()),
        RulesSource::Runtime(runtime) => Location::Runtime {
            root: runtime.root.clone(),
            subdirectory: runtime.subdirectory.to_string_lossy().into_owned(),
            app_directory: runtime.app_directory.to_string_lossy().into_owned(),
            watch_root: runtime.watch_root,
            ignore_dot_files: runtime.ignore_dot_files,
        },
    })
}

/// The settings that say where the rules are.
pub(super) fn source_setting(source: &RulesSource) -> &'static str {
    match source {
        RulesSource::Path(_) => "RULES, --rules",
        RulesSource::Runtime(_) => {
            "RUNTIME_ROOT, RUNTIME_SUBDIRECTORY, RUNTIME_APPDIRECTORY; or name a file or a directory with RULES or --rules"
        }
        RulesSource::Xds(_) => "CONFIG_GRPC_XDS_SERVER_URL",
    }
}

/// The file of the rules' defaults.
pub(super) fn defaults_source(path: &Path, rules: &RulesSettings) -> FileSource {
    watched(Location::Path(path.to_owned()), rules)
}

fn watched(location: Location, rules: &RulesSettings) -> FileSource {
    let poll_interval = rules.poll_interval.unwrap_or(NEVER);
    FileSource::new(FileSourceConfig { poll_interval, ..FileSourceConfig::new(location) })
}

pub(super) fn xds_source(xds: &XdsSettings) -> XdsConfig {
    let header = |(name, value): &(HeaderName, Secret)| (name.as_str().to_owned(), value.clone());
    XdsConfig {
        host: xds.server.host.clone(),
        port: xds.server.port,
        node_id: xds.node_id.clone(),
        node_metadata: xds.node_metadata.clone(),
        headers: xds.headers.iter().map(header).collect(),
        tls: xds.tls.as_ref().map(|tls| XdsTlsConfig {
            files: ClientFiles {
                ca: tls.ca.clone(),
                identity: tls
                    .identity
                    .as_ref()
                    .map(|one| Identity { certificate: one.certificate.clone(), key: one.key.clone() }),
                verify_hostname: true,
            },
            name: tls.name.clone(),
        }),
        connect_retry: xds.connect_retry,
        backoff: BackoffConfig {
            initial: xds.backoff.initial,
            max: xds.backoff.max,
            factor: xds.backoff.factor,
            jitter: xds.backoff.jitter,
        },
        keepalive: xds.keepalive,
        max_message_bytes: xds.max_message_bytes.get(),
    }
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
        refunds: settings.refunds == Refunds::Allow,
    }
}

pub(super) fn keys(keys: &KeySettings) -> KeyBuilder {
    let builder = KeyBuilder::new(&keys.prefix);
    match &keys.descriptor_value_secret {
        Some(secret) => builder.hashing_values(secret.expose()),
        None => builder,
    }
}

pub(super) fn response_options(settings: &Settings) -> api::ResponseOptions {
    let response = &settings.response;
    let headers = response.headers.as_ref().map(|names| api::HeaderNames {
        limit: names.limit.as_str().to_owned(),
        remaining: names.remaining.as_str().to_owned(),
        reset: names.reset.as_str().to_owned(),
    });
    let denied = if settings.modes.shadow { Code::Ok } else { Code::OverLimit };
    let undecidable = (settings.on_invalid_request == OnInvalidRequest::Deny).then_some(denied);
    let refund = (settings.refunds == Refunds::Deny).then_some(denied);
    api::ResponseOptions { headers, dynamic_metadata: response.dynamic_metadata, undecidable, refund }
}
