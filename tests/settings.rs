//! The environment as a whole, from outside: defaults, faults told together, features that are still to come, and the
//! environments that Istio and Envoy Gateway deploy.

mod settings_support;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use settings_support::{deployed, faults, resolve, resolve_with};
use tollgate::domain::FailureMode;
use tollgate::settings::{
    Backend, ClientsTls, GrpcTls, Listen, LogFormat, OnInvalidRequest, Override, Problem, RedisServer, RedisTopology,
    RulesSource, TABLE, TlsIdentity, XdsServer,
};
use tracing::level_filters::LevelFilter;

#[test]
fn an_empty_environment_gives_the_defaults() {
    let settings = resolve::<&str, &str>(&[]).expect("defaults");
    assert_eq!(settings.http.to_string(), "0.0.0.0:8080");
    assert_eq!(settings.debug.to_string(), "0.0.0.0:6070");
    let Listen::Tcp(grpc) = &settings.grpc.listen else { unreachable!("no socket was named") };
    assert_eq!(grpc.to_string(), "0.0.0.0:8081");
    assert_eq!(settings.grpc.max_connection_age, Some(Duration::from_secs(24 * 3600)));
    assert_eq!(settings.grpc.max_connection_age_grace, Some(Duration::from_secs(3600)));
    assert_eq!(settings.grpc.max_concurrent_streams.get(), 1024);
    assert_eq!(settings.grpc.max_request_bytes.get(), 4 << 20);
    assert_eq!(settings.grpc.max_header_list_bytes, 1 << 20);
    assert_eq!(settings.on_invalid_request, OnInvalidRequest::Error);
    let metrics = settings.metrics.expect("metrics are on");
    assert_eq!((metrics.address.to_string().as_str(), metrics.path.as_str()), (":9090", "/metrics"));
    assert_eq!(settings.max_metric_series.get(), 10_000);
    assert_eq!(Some(settings.workers), std::thread::available_parallelism().ok());
    let RulesSource::Runtime(runtime) = &settings.rules.source else { unreachable!("no path was given") };
    assert_eq!(runtime.root, PathBuf::from("/srv/runtime_data/current"));
    assert_eq!((&runtime.subdirectory, &runtime.app_directory), (&PathBuf::new(), &PathBuf::from("config")));
    assert!(runtime.watch_root && !runtime.ignore_dot_files);
    assert_eq!(settings.rules.poll_interval, Some(Duration::from_secs(10)));
    assert!(!settings.rules.merge_domain_config && !settings.rules.force_start_without_initial_config);
    assert!(matches!(settings.backend, Backend::Memory { max_counters } if max_counters.get() == 1_000_000));
    assert_eq!(settings.keys.prefix, "");
    assert!(settings.keys.descriptor_value_secret.is_none());
    assert_eq!(settings.failure_mode, FailureMode::Error);
    assert!(!settings.modes.shadow && !settings.modes.quota && !settings.modes.stop_increment_when_over);
    assert_eq!(settings.modes.near_limit_ratio.get(), 0.8);
    assert!(!settings.response.dynamic_metadata && settings.response.headers.is_none());
    assert_eq!((settings.request_limits.max_descriptors.get(), settings.request_limits.max_entries.get()), (1024, 256));
    assert!(!settings.healthy_with_at_least_one_config_loaded);
    assert_eq!((settings.logging.level, settings.logging.format), (LevelFilter::WARN, LogFormat::Text));
    assert_eq!((settings.drain.delay, settings.drain.timeout), (Duration::ZERO, Duration::from_secs(20)));
    assert_eq!(settings.warnings, Vec::<String>::new());
}

#[test]
fn every_fault_is_told_at_once_and_in_full() {
    let error = resolve(&[
        ("PORT", "http"),
        ("SHADOW_MODE", "yes"),
        ("GRPC_MAX_CONNECTION_AGE", "-1s"),
        ("FAILURE_MODE", "closed"),
        ("BACKEND_TYPE", "memcache"),
    ])
    .expect_err("five faults");
    assert_eq!(
        error.to_string(),
        "PORT: \"http\" is not a port from 0 to 65535\n\
         GRPC_MAX_CONNECTION_AGE: \"-1s\" is not a duration such as 10s, 150us, 1h30m or 0\n\
         FAILURE_MODE: \"closed\" is not error, allow, deny or local, in any case\n\
         SHADOW_MODE: \"yes\" is not true or false (or 1, t, T, TRUE, True, 0, f, F, FALSE, False)\n\
         BACKEND_TYPE: \"memcache\" asks for the memcache backend, which is not supported yet: set BACKEND_TYPE=redis or \
         BACKEND_TYPE=memory meanwhile"
    );
}

#[test]
fn a_flag_overrides_its_variable_and_is_named_in_its_fault() {
    let flag = |value: &str| [Override { flag: "--port", variable: "PORT", value: value.into() }];
    assert_eq!(resolve_with(&flag("1"), &[("PORT", "2")]).expect("settings").http.port, 1);
    assert_eq!(resolve_with(&flag("1"), &[("PORT", "bad")]).expect("settings").http.port, 1);
    assert_eq!(resolve_with(&flag(""), &[("PORT", "2")]).expect("settings").http.port, 2);
    let error = resolve_with(&flag("bad"), &[("PORT", "2")]).expect_err("a fault").to_string();
    assert_eq!(error, "--port (PORT): \"bad\" is not a port from 0 to 65535");
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_unicode_is_a_fault_and_not_a_panic() {
    use std::os::unix::ffi::OsStringExt as _;

    for variable in TABLE {
        let value = std::ffi::OsString::from_vec(vec![b'a', 0xff]);
        let value = |name: &str| (name == variable.name).then(|| value.clone());
        match tollgate::settings::Settings::resolve(&[], value, []) {
            Err(error) => {
                let [Problem::Malformed { place, .. }] = error.problems() else { unreachable!("{error}") };
                assert_eq!(place.variable, variable.name);
            }
            // unless it does nothing
            Ok(settings) => {
                let [warning] = &settings.warnings[..] else { unreachable!("{}: {settings:?}", variable.name) };
                assert!(warning.starts_with(&format!("no effect: {}", variable.name)), "{warning}");
            }
        }
    }
}

#[test]
fn redis_named_without_a_backend_is_the_backend() {
    for (name, value) in [("REDIS_URL", "redis:6379"), ("REDIS_TYPE", "single"), ("REDIS_SOCKET_TYPE", "UNIX")] {
        assert!(matches!(resolve(&[(name, value)]).expect(name).backend, Backend::Redis(_)), "{name}");
        let settings = resolve(&[(name, value), ("BACKEND_TYPE", "memory")]).expect("memory");
        assert!(matches!(settings.backend, Backend::Memory { .. }), "{name}");
        assert_eq!(settings.warnings, [format!("no effect: {name}={value}: the backend is memory")]);
    }
    for word in ["redis", "REDIS"] {
        assert!(matches!(resolve(&[("BACKEND_TYPE", word)]).expect(word).backend, Backend::Redis(_)), "{word}");
    }
    // Other variables of Redis do not choose it: Kubernetes injects some of them.
    let settings = resolve(&[("REDIS_PORT", "tcp://10.0.0.1:6379"), ("REDIS_POOL_SIZE", "5")]).expect("memory");
    assert!(matches!(settings.backend, Backend::Memory { .. }));
}

#[test]
fn a_malformed_backend_is_one_fault_and_not_two() {
    assert_eq!(faults(&[("BACKEND_TYPE", "mysql"), ("REDIS_URL", "redis:6379")]), ["BACKEND_TYPE"]);
}

#[test]
fn features_that_are_to_come_are_refused() {
    let error = resolve(&[("BACKEND_TYPE", "memcache")]).expect_err("there is none");
    let [Problem::NotSupportedYet { place, value, .. }] = error.problems() else { unreachable!("{error}") };
    assert_eq!((place.variable, value.as_str()), ("BACKEND_TYPE", "memcache"));
    let off = [("BACKEND_TYPE", "memory"), ("CONFIG_TYPE", "FILE"), ("TRACING_ENABLED", "false")];
    assert_eq!(resolve(&off).expect("nothing is asked for").warnings, Vec::<String>::new());
}

#[test]
fn variables_without_a_name_of_their_own_in_the_table_are_named_too() {
    let settings = resolve(&[
        ("USE_DOG_STATSD_MOGRIFIERS", "FOO"),
        ("DOG_STATSD_MOGRIFIER_FOO_PATTERN", "^a"),
        ("DOG_STATSD_MOGRIFIER_FOO_TAGS", ""),
        ("OTEL_TRACES_SAMPLER", "always_on"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "authorization=s3cret"),
        ("OTEL_SERVICE_NAME", "r"),
        ("OTEL_COLLECTOR_PORT", "tcp://10.0.0.1:4317"),
        ("REDIS_PORT", "tcp://10.0.0.1:6379"),
    ]);
    let expected = [
        "no effect: USE_DOG_STATSD_MOGRIFIERS=FOO, DOG_STATSD_MOGRIFIER_FOO_PATTERN: statistics are served to Prometheus only",
        "no effect: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_HEADERS, OTEL_TRACES_SAMPLER, \
         OTEL_SERVICE_NAME: spans are not sent yet",
    ];
    assert_eq!(settings.expect("settings").warnings, expected);
}

#[test]
fn a_value_without_effect_is_shown_in_one_line_unless_it_may_be_secret() {
    let warned = |name, value: &str| resolve(&[(name, value)]).expect(name).warnings;
    for (name, value, shown) in [
        ("STATSD_HOST", "a b", r#"STATSD_HOST="a b""#),
        ("STATSD_HOST", "a\nb", r#"STATSD_HOST="a\nb""#),
        ("STATSD_HOST", "a, b", r#"STATSD_HOST="a, b""#),
        ("STATSD_PORT", "8125", "STATSD_PORT=8125"),
        ("REDIS_AUTH", "s3cret", "REDIS_AUTH"),
        (
            "CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS",
            "authorization:s3cret",
            "CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS",
        ),
    ] {
        let reason = ": ";
        let [warning] = &warned(name, value)[..] else { unreachable!("{name}") };
        assert!(warning.starts_with(&format!("no effect: {shown}{reason}")), "{warning}");
        assert!(!warning.contains("s3cret"), "{warning}");
    }
    let [long] = &warned("EXTRA_TAGS", &"x".repeat(1000))[..] else { unreachable!("one") };
    assert!(long.contains("xxx…\"") && long.len() < 200, "{long}");
    let [url] =
        &resolve(&[("REDIS_URL", "redis://:s3cret@h:1"), ("BACKEND_TYPE", "memory")]).expect("memory").warnings[..]
    else {
        unreachable!("one")
    };
    assert_eq!(url, "no effect: REDIS_URL=redis://(hidden)@h:1: the backend is memory");
}

#[test]
fn what_has_no_effect_is_warned_about_once_a_reason() {
    let settings = resolve(&[
        ("USE_STATSD", "true"),
        ("STATSD_HOST", "statsd"),
        ("USE_DOG_STATSD", "false"),
        ("REDIS_PIPELINE_WINDOW", "150us"),
        ("REDIS_PERSECOND_PIPELINE_LIMIT", "8"),
        ("REDIS_POOL_ON_EMPTY_BEHAVIOR", "ERROR"),
        ("PROMETHEUS_MAPPER_YAML", "/absent"),
        ("GRPC_SERVER_TLS_CERT", "/certs/tls.crt"),
        ("RULES", "config"),
        ("RUNTIME_ROOT", "/data"),
        ("GRPC_UDS", "/run/tollgate.sock"),
        ("GRPC_PORT", "1"),
    ])
    .expect("settings");
    let expected = [
        "no effect: PROMETHEUS_MAPPER_YAML=/absent: metrics need no mapping, their names and labels are right already",
        "no effect: USE_STATSD=true, STATSD_HOST=statsd: statistics are served to Prometheus only",
        "no effect: GRPC_SERVER_TLS_CERT=/certs/tls.crt: GRPC_SERVER_USE_TLS is false",
        "no effect: REDIS_POOL_ON_EMPTY_BEHAVIOR=ERROR: a check waits for a connection, as with WAIT",
        "no effect: REDIS_PIPELINE_WINDOW=150us, REDIS_PERSECOND_PIPELINE_LIMIT=8: checks are batched without a wait",
        "no effect: GRPC_PORT=1: GRPC_UDS replaces it",
        "no effect: RUNTIME_ROOT=/data: RULES replaces the RUNTIME_ variables",
    ];
    assert_eq!(settings.warnings, expected);
    assert_eq!(settings.grpc.listen, Listen::Unix("/run/tollgate.sock".into()));
    assert_eq!(settings.rules.source, RulesSource::Path("config".into()));
}

#[test]
fn tls_without_its_files_is_a_fault_that_names_them() {
    let text = |environment: &[(&str, &str)]| resolve(environment).expect_err("a fault").to_string();
    assert_eq!(
        text(&[("GRPC_SERVER_USE_TLS", "true"), ("GRPC_CLIENT_TLS_SAN", "envoy.example")]),
        "GRPC_SERVER_TLS_CERT: is not set, and GRPC_SERVER_USE_TLS=true needs it\n\
         GRPC_SERVER_TLS_KEY: is not set, and GRPC_SERVER_USE_TLS=true needs it\n\
         GRPC_CLIENT_TLS_CACERT: is not set, and GRPC_CLIENT_TLS_SAN=envoy.example needs it"
    );
    assert_eq!(
        text(&[("HTTP_TLS_CERT", "/c"), ("PROMETHEUS_TLS_KEY", "/k")]),
        "HTTP_TLS_KEY: is not set, and HTTP_TLS_CERT=/c needs it\n\
         PROMETHEUS_TLS_CERT: is not set, and PROMETHEUS_TLS_KEY=/k needs it"
    );
}

#[test]
fn tls_of_every_listener_reaches_the_settings() {
    let settings = resolve(&[
        ("GRPC_SERVER_USE_TLS", "true"),
        ("GRPC_SERVER_TLS_CERT", "/g.crt"),
        ("GRPC_SERVER_TLS_KEY", "/g.key"),
        ("GRPC_CLIENT_TLS_CACERT", "/ca.crt"),
        ("GRPC_CLIENT_TLS_SAN", "envoy.example"),
        ("HTTP_TLS_CERT", "/h.crt"),
        ("HTTP_TLS_KEY", "/h.key"),
        ("PROMETHEUS_TLS_CERT", "/m.crt"),
        ("PROMETHEUS_TLS_KEY", "/m.key"),
    ])
    .expect("settings");
    let identity =
        |name: &str| TlsIdentity { certificate: format!("/{name}.crt").into(), key: format!("/{name}.key").into() };
    let name = "envoy.example".try_into().expect("a name");
    let clients = Some(ClientsTls { ca: "/ca.crt".into(), name: Some(name) });
    assert_eq!(settings.grpc.tls, Some(GrpcTls { identity: identity("g"), clients }));
    assert_eq!(settings.http_tls, Some(identity("h")));
    assert_eq!(settings.metrics.expect("metrics are on").tls, Some(identity("m")));
    assert_eq!(settings.warnings, Vec::<String>::new());
    let settings =
        resolve(&[("PROMETHEUS_TLS_CERT", "/m.crt"), ("PROMETHEUS_TLS_KEY", "/m.key"), ("USE_PROMETHEUS", "0")]);
    let warnings = settings.expect("settings").warnings;
    assert_eq!(warnings, ["no effect: PROMETHEUS_TLS_CERT=/m.crt, PROMETHEUS_TLS_KEY=/m.key: USE_PROMETHEUS is false"]);
}

#[test]
fn variables_of_xds_mean_something_with_rules_from_there_alone() {
    let given = [
        ("CONFIG_GRPC_XDS_SERVER_URL", "ads:1"),
        ("XDS_CLIENT_BACKOFF_JITTER", "true"),
        ("CONFIG_GRPC_XDS_CLIENT_TLS_CERT", "/cert"),
    ];
    let settings = resolve(&given).expect("settings");
    assert_eq!(
        settings.warnings,
        ["no effect: CONFIG_GRPC_XDS_SERVER_URL=ads:1, CONFIG_GRPC_XDS_CLIENT_TLS_CERT=/cert, \
          XDS_CLIENT_BACKOFF_JITTER=true: CONFIG_TYPE is FILE"]
    );
    let xds = ("CONFIG_TYPE", "GRPC_XDS_SOTW");
    let settings = resolve(&[&given[..], &[xds, ("RULES", "/rules"), ("RULES_POLL_INTERVAL", "5s")]].concat());
    assert_eq!(
        settings.expect("settings").warnings,
        [
            "no effect: CONFIG_GRPC_XDS_CLIENT_TLS_CERT=/cert: CONFIG_GRPC_XDS_SERVER_USE_TLS is false",
            "no effect: RULES=/rules, RULES_POLL_INTERVAL=5s: CONFIG_TYPE is GRPC_XDS_SOTW",
        ]
    );
    // the file of defaults is polled all the same
    let defaults = [("RULE_DEFAULTS", "/defaults"), ("RULES_POLL_INTERVAL", "5s")];
    let settings = resolve(&[&defaults[..], &[xds]].concat()).expect("settings");
    assert_eq!(settings.warnings, [""; 0]);
    let tls = ("CONFIG_GRPC_XDS_SERVER_USE_TLS", "true");
    // as in the reference, a certificate without its key is none
    let settings = resolve(&[&given[..], &[xds, tls]].concat()).expect("settings");
    assert_eq!(
        settings.warnings,
        [
            "no effect: CONFIG_GRPC_XDS_CLIENT_TLS_CERT=/cert: CONFIG_GRPC_XDS_CLIENT_TLS_KEY is not set, and it needs both"
        ]
    );
}

#[test]
fn an_address_for_metrics_that_are_off_is_warned_about() {
    let flag = [Override { flag: "--metrics-addr", variable: "PROMETHEUS_ADDR", value: ":1".into() }];
    let settings = resolve_with(&flag, &[("USE_PROMETHEUS", "false")]).expect("settings");
    assert!(settings.metrics.is_none());
    assert_eq!(settings.warnings, ["no effect: --metrics-addr (PROMETHEUS_ADDR)=:1: USE_PROMETHEUS is false"]);
}

#[test]
fn the_parts_of_the_rules_directory_stay_below_its_root() {
    let environment =
        [("RUNTIME_ROOT", "/data"), ("RUNTIME_SUBDIRECTORY", "/ratelimit/"), ("RUNTIME_APPDIRECTORY", "/")];
    let settings = resolve(&environment).expect("settings");
    let RulesSource::Runtime(runtime) = &settings.rules.source else { unreachable!("no path was given") };
    let joined = runtime.root.join(&runtime.subdirectory).join(&runtime.app_directory);
    assert_eq!(joined.components().collect::<PathBuf>(), PathBuf::from("/data/ratelimit"));
}

#[test]
fn an_empty_redis_url_is_no_silent_change_of_stores() {
    let warns = |variables: &[(&str, &str)]| {
        let settings = resolve(variables).expect("settings");
        settings.warnings.iter().any(|warning| warning.contains("REDIS_URL is empty"))
    };
    assert!(warns(&[("REDIS_URL", "")]) && !warns(&[]));
    assert!(!warns(&[("REDIS_URL", ""), ("BACKEND_TYPE", "memory")]));
}

#[test]
fn a_prefix_for_a_cluster_keeps_the_limits_of_a_descriptor_together() {
    let with = |prefix, url| resolve(&[("CACHE_KEY_PREFIX", prefix), ("REDIS_URL", url)]);
    for prefix in ["{}", "a{}:", "{}{b}"] {
        let error = with(prefix, "redis-cluster://h:1").expect_err(prefix).to_string();
        assert!(error.contains("CACHE_KEY_PREFIX") && error.contains("cluster"), "{error}");
        with(prefix, "redis://h:1").expect("no cluster");
    }
    for prefix in ["{a}", "a{b", "}{", ""] {
        with(prefix, "redis-cluster://h:1").expect(prefix);
    }
}

#[test]
fn secrets_are_never_shown() {
    let secret = "hunter2";
    let settings = resolve(&[
        ("DESCRIPTOR_VALUE_SECRET", secret),
        ("BACKEND_TYPE", "memory"),
        ("REDIS_AUTH", secret),
        ("REDIS_URL", "redis://user:hunter2@redis:6379"),
    ])
    .expect("settings");
    assert_eq!(settings.keys.descriptor_value_secret.as_ref().expect("a secret").expose(), secret);
    assert!(!format!("{settings:?}").contains(secret));
    let settings = resolve(&[("REDIS_URL", "redis://user:hunter2@redis:6379")]).expect("Redis");
    assert!(!format!("{settings:?}").contains(secret));
    let headers = ("CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS", "authorization:hunter2");
    let xds = ("CONFIG_TYPE", "GRPC_XDS_SOTW");
    let settings = resolve(&[xds, headers]).expect("xDS");
    assert!(!format!("{settings:?}").contains(secret));
    let error = resolve(&[xds, (headers.0, "a b:hunter2")]).expect_err("no name").to_string();
    assert!(!error.contains(secret), "{error}");
    let error = resolve(&[("REDIS_URL", "redis://user:hunter2@redis:port")]).expect_err("no port").to_string();
    assert!(!error.contains(secret), "{error}");
}

#[test]
fn zero_turns_ages_and_polls_off() {
    let settings = resolve(&[
        ("GRPC_MAX_CONNECTION_AGE", "0"),
        ("GRPC_MAX_CONNECTION_AGE_GRACE", "0s"),
        ("RULES_POLL_INTERVAL", "0"),
        ("WORKERS", ""),
        ("RULES", ""),
    ])
    .expect("settings");
    assert_eq!((settings.grpc.max_connection_age, settings.grpc.max_connection_age_grace), (None, None));
    assert_eq!(settings.rules.poll_interval, None);
    assert!(matches!(settings.rules.source, RulesSource::Runtime(_)));
}

#[test]
fn istio_s_sample_serves_from_redis() {
    let environment = deployed("istio/rate-limit-service.yaml");
    assert_eq!(environment.len(), 10, "{environment:?}");
    let settings = resolve(&environment).expect("settings");
    assert_eq!(settings.http.to_string(), "[::]:8080");
    assert_eq!(settings.logging.level, LevelFilter::DEBUG);
    let RulesSource::Runtime(runtime) = &settings.rules.source else { unreachable!("no path was given") };
    assert_eq!(
        runtime.root.join(&runtime.subdirectory).join(&runtime.app_directory),
        PathBuf::from("/data/ratelimit/config")
    );
    assert!(!runtime.watch_root && runtime.ignore_dot_files);
    let Backend::Redis(redis) = &settings.backend else { unreachable!("{:?}", settings.backend) };
    let server = RedisServer { host: "redis".to_owned(), port: 6379 };
    assert_eq!(redis.main.topology, RedisTopology::Tcp(server));
    let expected: [&str; 0] = [];
    assert_eq!(settings.warnings.iter().filter(|warning| warning.contains("REDIS")).collect::<Vec<_>>(), expected);
}

#[test]
fn envoy_gateway_s_deployments_are_understood() {
    for file in
        ["deployment-default.yaml", "deployment-redis-tls-settings.yaml", "deployment-enable-tracing-custom.yaml"]
    {
        let environment = deployed(&format!("envoy-gateway/{file}"));
        assert!(environment.len() > 20, "{file}: {environment:?}");
        let settings = resolve(&environment).expect(file);
        assert_eq!(settings.metrics.expect("metrics are on").address.to_string(), ":19001");
        assert!(settings.rules.force_start_without_initial_config);
        let RulesSource::Xds(xds) = &settings.rules.source else { unreachable!("{:?}", settings.rules.source) };
        let server = XdsServer { host: "envoy-gateway".to_owned(), port: 18001 };
        assert_eq!((&xds.server, xds.node_id.as_str()), (&server, "envoy-ratelimit"));
        let tls = xds.tls.as_ref().expect("mTLS");
        let identity = tls.identity.as_ref().expect("mTLS");
        assert_eq!(
            [&identity.certificate, &identity.key, tls.ca.as_ref().expect("a CA")]
                .map(|path| path.display().to_string()),
            ["/certs/tls.crt", "/certs/tls.key", "/certs/ca.crt"]
        );
        assert_eq!(
            settings.warnings.iter().filter(|warning| warning.contains("XDS")).collect::<Vec<_>>(),
            ["no effect: RUNTIME_ROOT=/data, RUNTIME_SUBDIRECTORY=ratelimit, RUNTIME_WATCH_ROOT=false, \
              RUNTIME_IGNOREDOTFILES=true: CONFIG_TYPE is GRPC_XDS_SOTW"]
        );
        let Backend::Redis(redis) = &settings.backend else { unreachable!("{:?}", settings.backend) };
        assert!(matches!(redis.main.topology, RedisTopology::Tcp(_)), "{redis:?}");
        assert_eq!(redis.main.tls.is_some(), file.contains("redis-tls"), "{redis:?}");
        // GRPC_SERVER_TLS_CA_CERT is not the reference's, and asks nothing of clients.
        let tls = settings.grpc.tls.expect("gRPC is served over TLS");
        assert_eq!((tls.identity.certificate, tls.clients), ("/certs/tls.crt".into(), None), "{file}");
    }
}

/// From public bug reports, charts and the reference's own tests.
#[test]
fn what_people_deploy_starts() {
    for environment in [
        &[
            ("LOCAL_CACHE_SIZE_IN_BYTES", "32767"),
            ("REDIS_PIPELINE_LIMIT", "1"),
            ("REDIS_PIPELINE_WINDOW", "1"),
            ("REDIS_POOL_SIZE", "40"),
            ("REDIS_TYPE", "cluster"),
            ("REDIS_URL", "redis-cluster-1:6379, redis-cluster-2:6379, redis-cluster-3:6379"),
            ("STATSD_HOST", "statsd-exporter.infrastructure.svc"),
            ("USE_STATSD", "true"),
        ][..],
        &[("BACKEND_TYPE", ""), ("REDIS_SOCKET_TYPE", "tcp"), ("REDIS_URL", "localhost:6379"), ("REDIS_AUTH", "")],
        &[("REDIS_SOCKET_TYPE", "tcp"), ("REDIS_URL", "redis://10.0.0.7:9489/11"), ("MAX_SLEEPING_ROUTINES", "64")],
        &[("REDIS_SOCKET_TYPE", "tcp"), ("REDIS_URL", "redis://:p455w0rd@localhost:6379\n"), ("REDIS_PASSWORD", "p")],
        &[("REDIS_TYPE", "sentinel"), ("REDIS_URL", "mymaster,redis://:p455w0rd@localhost:26379"), ("REDIS_AUTH", "p")],
        &[("RUNTIME_SUBDIRECTORY", "/"), ("LOCAL_CACHE_SIZE_IN_BYTES", "1000"), ("REDIS_TLS", "false")],
        &[("REDIS_PERSECOND", "false"), ("REDIS_PERSECOND_URL", "10.11.0.1:6379,10.12.3.4:6379")],
    ] {
        resolve(environment).unwrap_or_else(|error| unreachable!("{environment:?}: {error}"));
    }
}

#[test]
fn workers_are_as_many_as_asked_for() {
    assert_eq!(Some(resolve(&[("WORKERS", "3")]).expect("settings").workers), NonZeroUsize::new(3));
}
