//! Variables without effect cause a warning, and never an error.

use tollgate::server::Listen;
use tollgate::settings::Override;
use tollgate::source::Location;

use super::support::{faults, resolve, resolve_with};

#[test]
fn variables_with_dynamic_names_are_named_too() {
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
        "no effect: USE_DOG_STATSD_MOGRIFIERS=FOO, DOG_STATSD_MOGRIFIER_FOO_PATTERN: statistics are served to \
         Prometheus only",
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
fn variables_without_effect_cause_one_warning_per_reason() {
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
        "no effect: PROMETHEUS_MAPPER_YAML=/absent: metrics already have names and labels, so that no mapping is \
         needed",
        "no effect: USE_STATSD=true, STATSD_HOST=statsd: statistics are served to Prometheus only",
        "no effect: GRPC_SERVER_TLS_CERT=/certs/tls.crt: GRPC_SERVER_USE_TLS is false",
        "no effect: REDIS_POOL_ON_EMPTY_BEHAVIOR=ERROR: a check waits for a connection, as with WAIT",
        "no effect: REDIS_PIPELINE_WINDOW=150us, REDIS_PERSECOND_PIPELINE_LIMIT=8: checks are batched without a wait",
        "no effect: GRPC_PORT=1: GRPC_UDS replaces it",
        "no effect: RUNTIME_ROOT=/data: RULES replaces the RUNTIME_ variables",
    ];
    assert_eq!(settings.warnings, expected);
    assert_eq!(settings.config.grpc.listen, Listen::Unix("/run/tollgate.sock".into()));
    assert_eq!(settings.config.rules.source.location(), Some(&Location::Path("config".into())));
}

#[test]
fn xds_variables_have_an_effect_only_with_rules_over_xds() {
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
    // the file of defaults is still polled
    let defaults = [("RULE_DEFAULTS", "/defaults"), ("RULES_POLL_INTERVAL", "5s")];
    let settings = resolve(&[&defaults[..], &[xds]].concat()).expect("settings");
    assert_eq!(settings.warnings, [""; 0]);
    let tls = ("CONFIG_GRPC_XDS_SERVER_USE_TLS", "true");
    // as in the reference, a certificate without its key is not used
    let settings = resolve(&[&given[..], &[xds, tls]].concat()).expect("settings");
    assert_eq!(
        settings.warnings,
        ["no effect: CONFIG_GRPC_XDS_CLIENT_TLS_CERT=/cert: CONFIG_GRPC_XDS_CLIENT_TLS_KEY is not set, and a client \
             certificate needs both"]
    );
}

#[test]
fn an_address_for_disabled_metrics_causes_a_warning() {
    let flag = [Override { flag: "--metrics-addr", variable: "PROMETHEUS_ADDR", value: ":1".into() }];
    let settings = resolve_with(&flag, &[("USE_PROMETHEUS", "false")]).expect("settings");
    assert!(settings.config.metrics.is_none());
    assert_eq!(settings.warnings, ["no effect: --metrics-addr (PROMETHEUS_ADDR)=:1: USE_PROMETHEUS is false"]);
}

#[test]
fn a_variable_that_another_makes_ineffective_cannot_be_invalid() {
    for (environment, reason) in [
        (
            &[("REDIS_TIMEOUT", "soon"), ("REDIS_TYPE", "sharded"), ("BACKEND_TYPE", "memory")][..],
            "the backend is memory",
        ),
        (&[("REDIS_URL", "h:1"), ("REDIS_PERSECOND_TYPE", "sharded")], "REDIS_PERSECOND is false"),
        (&[("REDIS_URL", "h:1"), ("BREAKER", "0"), ("BREAKER_WINDOW", "-1s")], "BREAKER is false"),
        (&[("XDS_CLIENT_MAX_MSG_SIZE_IN_BYTES", "-1")], "CONFIG_TYPE is FILE"),
        (&[("CONFIG_GRPC_XDS_SERVER_URL", "http://a")], "CONFIG_TYPE is FILE"),
        (&[("CONFIG_TYPE", "GRPC_XDS_SOTW"), ("RUNTIME_WATCH_ROOT", "yes")], "CONFIG_TYPE is GRPC_XDS_SOTW"),
        (&[("RULES", "/r"), ("RUNTIME_WATCH_ROOT", "yes")], "RULES replaces the RUNTIME_ variables"),
        (
            &[("USE_PROMETHEUS", "false"), ("PROMETHEUS_ADDR", "9090"), ("PROMETHEUS_PATH", "m")],
            "USE_PROMETHEUS is false",
        ),
        (&[("LIMIT_LIMIT_HEADER", "a b")], "LIMIT_RESPONSE_HEADERS_ENABLED is false"),
        (&[("GRPC_CLIENT_TLS_SAN", "a b")], "GRPC_SERVER_USE_TLS is false"),
        (&[("GRPC_UDS", "/s"), ("GRPC_PORT", "99999"), ("GRPC_HOST", "a b")], "GRPC_UDS replaces it"),
        (&[("REPLICAS", "0")], "the memory store does not fail"),
    ] {
        let settings = resolve(environment).unwrap_or_else(|error| unreachable!("{environment:?}: {error}"));
        let [warning] = &settings.warnings[..] else { unreachable!("{environment:?}: {:?}", settings.warnings) };
        assert!(warning.starts_with("no effect: ") && warning.ends_with(reason), "{environment:?}: {warning}");
    }
    // while that other variable is unreadable, errors are reported
    assert_eq!(faults(&[("BACKEND_TYPE", "mysql"), ("REDIS_TIMEOUT", "soon")]), ["BACKEND_TYPE", "REDIS_TIMEOUT"]);
    assert_eq!(faults(&[("USE_PROMETHEUS", "no"), ("PROMETHEUS_ADDR", "9090")]), ["USE_PROMETHEUS", "PROMETHEUS_ADDR"]);
}
