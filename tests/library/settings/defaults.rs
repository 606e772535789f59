//! The default of each setting, and that each variable reaches its setting.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use limiter::domain::{FailureMode, KeyBuilder};
use tollgate::api::HeaderName;
use tollgate::app::StoreConfig;
use tollgate::engine::Modes;
use tollgate::server::{Http2, Listen};
use tollgate::settings::{Override, Settings};
use tollgate::source::{FileSourceConfig, Location, SourceConfig};
use tollgate::telemetry::logging::Format;
use tracing::level_filters::LevelFilter;

use super::support::{resolve, resolve_with};

#[test]
fn an_empty_environment_gives_the_defaults() {
    let Settings { config, warnings } = resolve::<&str, &str>(&[]).expect("defaults");
    assert_eq!(config.http.address.to_string(), "0.0.0.0:8080");
    assert_eq!(config.debug.to_string(), "0.0.0.0:6070");
    let Listen::Tcp(grpc) = &config.grpc.listen else { unreachable!("no socket was named") };
    assert_eq!(grpc.to_string(), "0.0.0.0:8081");
    let server = &config.grpc.server;
    assert_eq!(server.max_connection_age, Duration::from_secs(24 * 3600));
    assert_eq!(server.max_connection_age_grace, Duration::from_secs(3600));
    assert_eq!(server.max_concurrent_streams.get(), 1024);
    assert_eq!(config.max_request_bytes.get(), 4 << 20);
    // plus the framing of the request; or the four that a connection may have in flight
    assert_eq!((server.stream_window, server.connection_window), (4_210_688, 16_793_600));
    assert_eq!((server.max_header_list_size, server.http2), (1 << 20, Http2::Wire));
    assert_eq!((config.response.undecidable, config.response.refund, config.engine.refunds), (None, None, true));
    let metrics = config.metrics.expect("metrics are on");
    assert_eq!((metrics.address.to_string().as_str(), metrics.path.as_str()), (":9090", "/metrics"));
    assert_eq!(config.max_metric_series.get(), 10_000);
    assert_eq!(Some(server.workers), std::thread::available_parallelism().ok());
    let SourceConfig::Files(FileSourceConfig { location, poll_interval, .. }) = &config.rules.source else {
        unreachable!("files are the default")
    };
    let runtime = Location::Runtime {
        root: PathBuf::from("/srv/runtime_data/current"),
        subdirectory: String::new(),
        app_directory: "config".to_owned(),
        watch_root: true,
        ignore_dot_files: false,
    };
    assert_eq!((location, *poll_interval), (&runtime, Some(Duration::from_secs(10))));
    assert!(!config.rules.merge_domains && !config.rules.listen_before_loaded && config.rules.defaults.is_none());
    assert!(matches!(config.store, StoreConfig::Memory(memory) if memory.max_counters.get() == 1_000_000));
    assert_eq!(config.keys, KeyBuilder::new(""), "without a secret");
    assert_eq!(config.engine.on_store_failure, FailureMode::Error);
    assert_eq!(config.engine.modes, Modes { shadow: false, quota: false, atomic: false });
    assert_eq!(config.engine.near_limit_ratio, 0.8);
    assert!(!config.response.dynamic_metadata && config.response.headers.is_none());
    let limits = config.engine.limits;
    assert_eq!((limits.max_descriptors.get(), limits.max_entries.get()), (1024, 256));
    assert!(!config.health_needs_domain);
    assert_eq!((config.log.level, config.log.format), (LevelFilter::WARN, Format::Text));
    assert_eq!((config.drain.delay, config.drain.timeout), (Duration::ZERO, Duration::from_secs(20)));
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn a_flag_overrides_its_variable_and_is_named_in_its_error() {
    let flag = |value: &str| [Override { flag: "--port", variable: "PORT", value: value.into() }];
    let port =
        |flag: &[Override], value| resolve_with(flag, &[("PORT", value)]).expect("settings").config.http.address.port;
    assert_eq!(port(&flag("1"), "2"), 1);
    assert_eq!(port(&flag("1"), "bad"), 1);
    assert_eq!(port(&flag(""), "2"), 2);
    let error = resolve_with(&flag("bad"), &[("PORT", "2")]).expect_err("a fault").to_string();
    assert_eq!(error, "--port (PORT): \"bad\" is not a port from 0 to 65535");
}

#[test]
fn zero_disables_ages_and_polls() {
    let config = resolve(&[
        ("GRPC_MAX_CONNECTION_AGE", "0"),
        ("GRPC_MAX_CONNECTION_AGE_GRACE", "0s"),
        ("RULES_POLL_INTERVAL", "0"),
        ("WORKERS", ""),
        ("RULES", ""),
    ])
    .expect("settings")
    .config;
    let server = &config.grpc.server;
    // the server's representation of never
    assert_eq!((server.max_connection_age, server.max_connection_age_grace), (Duration::ZERO, Duration::ZERO));
    let SourceConfig::Files(files) = &config.rules.source else { unreachable!("files are the default") };
    assert_eq!(files.poll_interval, None);
    assert!(matches!(files.location, Location::Runtime { .. }));
}

#[test]
fn the_number_of_workers_can_be_set() {
    let config = resolve(&[("WORKERS", "3")]).expect("settings").config;
    assert_eq!(Some(config.grpc.server.workers), NonZeroUsize::new(3));
}

#[test]
fn the_rules_directory_is_below_its_root() {
    let environment =
        [("RUNTIME_ROOT", "/data"), ("RUNTIME_SUBDIRECTORY", "/ratelimit/"), ("RUNTIME_APPDIRECTORY", "/")];
    let config = resolve(&environment).expect("settings").config;
    let Some(Location::Runtime { root, subdirectory, app_directory, .. }) = config.rules.source.location() else {
        unreachable!("no path was given")
    };
    let joined = root.join(subdirectory).join(app_directory);
    assert_eq!(joined.components().collect::<PathBuf>(), PathBuf::from("/data/ratelimit"));
}

#[test]
fn the_names_of_headers_reach_the_settings() {
    let settings = resolve(&[
        ("LIMIT_RESPONSE_HEADERS_ENABLED", "true"),
        ("LIMIT_LIMIT_HEADER", "x-limit"),
        ("LIMIT_REMAINING_HEADER", "x-remaining"),
    ])
    .expect("settings");
    let headers = settings.config.response.headers.expect("headers are on");
    let names = [&headers.limit, &headers.remaining, &headers.reset].map(HeaderName::as_str);
    assert_eq!(names, ["x-limit", "x-remaining", "RateLimit-Reset"]);
}
