//! Valid and invalid samples for each variable, and an environment in which it has an effect.

use tollgate::settings::{Effect, Group, Settings, TABLE, Variable};

use super::support::resolve;

const DURATION: (&[&str], &[&str]) =
    (&["0", "10s", "150us", "1h30m", "1.5h", "-0s"], &["10", "-1s", "1d", "ten seconds", " 1s"]);
const PAUSE: (&[&str], &[&str]) = (&["10s", "1ns", "1h"], &["10", "-1", "1d", "ten seconds", " 1s"]);
const LENIENT: (&[&str], &[&str]) = (&["0", "10s", "1h"], &["10", "-1", "1d", "soon"]);
const BOOLEAN: (&[&str], &[&str]) =
    (&["true", "FALSE", "1", "0", "t", "F", "True", "f"], &["yes", "on", "2", " true", "tRUE", "y", "null"]);
const PORT: (&[&str], &[&str]) =
    (&["0", "8080", "65535", "0x1F90"], &["-1", "65536", "80.0", "tcp://10.0.0.1:80", "http"]);
const POSITIVE: (&[&str], &[&str]) = (&["1", "1_000", "0x10"], &["0", "-1", "1.5", "many"]);
const HOST: (&[&str], &[&str]) =
    (&["0.0.0.0", "::", "[::1]", "localhost", "a.b.svc"], &[" ", "a b", "1.2.3.4.5", "http://a", "a:80"]);
const TEXT: (&[&str], &[&str]) = (&["a", "/a/b", "ä b:c,d=e"], &[]);
const HEADER: (&[&str], &[&str]) = (&["RateLimit-Limit", "x-limit"], &["a b", "a:b", "ä", " "]);
/// For variables without effect: any value.
const ANYTHING: (&[&str], &[&str]) =
    (&["a", "0", "-1", "99999", "true", "yes", "1s", "-1s", "10", "NaN", "a:b:c", "a=b,", "http", " "], &[]);

/// Valid and invalid values of each variable.
pub(crate) fn samples(name: &str) -> (&'static [&'static str], &'static [&'static str]) {
    let does_nothing = |variable: &&Variable| matches!(variable.effect, Effect::NoEffect(_) | Effect::Later(_));
    if TABLE.iter().filter(does_nothing).any(|variable| variable.name == name) {
        return ANYTHING;
    }
    match name {
        "HOST" | "DEBUG_HOST" | "GRPC_HOST" => HOST,
        "PORT" | "DEBUG_PORT" | "GRPC_PORT" => PORT,
        "GRPC_MAX_CONNECTION_AGE"
        | "RULES_POLL_INTERVAL"
        | "DRAIN_DELAY"
        | "DRAIN_TIMEOUT"
        | "XDS_CLIENT_KEEPALIVE_INTERVAL" => DURATION,
        "GRPC_MAX_CONNECTION_AGE_GRACE" | "REDIS_STARTUP_MAX_ELAPSED_TIME" => LENIENT,
        "CONFIG_GRPC_XDS_SERVER_CONNECT_RETRY_INTERVAL"
        | "XDS_CLIENT_BACKOFF_INITIAL_INTERVAL"
        | "XDS_CLIENT_BACKOFF_MAX_INTERVAL"
        | "REDIS_STARTUP_INITIAL_INTERVAL"
        | "REDIS_STARTUP_MAX_INTERVAL" => PAUSE,
        "RUNTIME_WATCH_ROOT"
        | "RUNTIME_IGNOREDOTFILES"
        | "MERGE_DOMAIN_CONFIG"
        | "FORCE_START_WITHOUT_INITIAL_CONFIG"
        | "HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED"
        | "STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT"
        | "SHADOW_MODE"
        | "QUOTA_MODE"
        | "RESPONSE_DYNAMIC_METADATA"
        | "LIMIT_RESPONSE_HEADERS_ENABLED"
        | "USE_PROMETHEUS"
        | "CONFIG_GRPC_XDS_SERVER_USE_TLS"
        | "XDS_CLIENT_BACKOFF_JITTER"
        | "REDIS_PLAIN_COMMANDS"
        | "REDIS_PERSECOND_PLAIN_COMMANDS"
        | "REDIS_TLS"
        | "REDIS_TLS_SKIP_HOSTNAME_VERIFICATION"
        | "REDIS_HEALTH_CHECK_ACTIVE_CONNECTION"
        | "REDIS_PERSECOND"
        | "REDIS_PERSECOND_TLS"
        | "BREAKER"
        | "GRPC_SERVER_USE_TLS" => BOOLEAN,
        "MAX_CONCURRENT_STREAMS" => (POSITIVE.0, &["0", "-1", "4294967296"]),
        "MAX_REQUEST_BYTES" | "MAX_DESCRIPTORS" | "MAX_ENTRIES" | "MAX_METRIC_SERIES" => POSITIVE,
        "MAX_HEADER_LIST_BYTES" => (&["1", "1048576", "16777216"], &["0", "-1", "16777217", "1MiB"]),
        "MAX_COUNTERS" => (&["1", "1000000000"], &["0", "-1", "1000000001", "9223372036854775807"]),
        "WORKERS" => (&["1", "1024"], &["0", "-1", "1.5", "many", "1025", "100000"]),
        "XDS_CLIENT_MAX_MSG_SIZE_IN_BYTES" => (&["1", "0", "4194304", "0x10", "4294967295"], &["-1", "4MiB", "1e6"]),
        "NEAR_LIMIT_RATIO" => (&["0", "0.8", "1", "1e-3", "2", "1_0", "+0.5", "-0"], &["80%", "1e39", "0x1p-1"]),
        "XDS_CLIENT_BACKOFF_RANDOM_FACTOR" => (&["0.8", "1", "1e-3", "2"], &["80%", "1e400", "two"]),
        "LIMIT_LIMIT_HEADER" | "LIMIT_REMAINING_HEADER" | "LIMIT_RESET_HEADER" => HEADER,
        "PROMETHEUS_ADDR" => (&[":9090", "0.0.0.0:1", "[::]:0", "a.b:65535"], &["9090", ":", "::1:80", ":65536"]),
        "PROMETHEUS_PATH" => (&["/metrics", "/", "/a/b-c.d"], &["metrics", "/a b", "/{a}", "/*", "/a?b"]),
        "LOG_LEVEL" => {
            (&["trace", "DEBUG", "Info", "warn", "WARNING", "error", "fatal", "panic"], &["verbose", "0", " info"])
        }
        "LOG_FORMAT" => (&["json", "JSON", "text", "anything"], &[]),
        "CONFIG_TYPE" => (&["FILE", "file", "GRPC_XDS_SOTW", "grpc_xds_sotw"], &["XDS", "files"]),
        "BACKEND_TYPE" => (&["memory", "MEMORY"], &["mysql", " memory"]),
        "REPLICAS" => (&["1", "4294967295"], &["0", "-1", "4294967296"]),
        "ON_INVALID_REQUEST" => (&["error", "Deny"], &["allow", "local"]),
        "HTTP2_SERVER" => (&["tollgate", "Hyper"], &["h2", "own"]),
        "REFUNDS" => (&["allow", "DENY"], &["true", "no"]),
        "FAILURE_MODE" => (&["error", "Allow", "DENY", "local"], &["open", "fail"]),
        "LOCAL_CACHE_SIZE_IN_BYTES" => (&["0", "524288", "0x100000", "17179869184"], &["1MiB", "1e6", "17179869185"]),
        "EXPIRATION_JITTER_MAX_SECONDS" => (&["0", "1", "31536000"], &["1s", "1.5", "9223372036854775808"]),
        "MAX_PENDING_CHECKS" => (&["1", "1000000"], &["0", "-1", "1000001"]),
        "REDIS_POOL_SIZE" | "REDIS_PERSECOND_POOL_SIZE" => (&["1", "0x10", "10000"], &["-1", "1.5", "many"]),
        "BREAKER_FAILURES" | "BREAKER_MIN_CALLS" => (&["1", "4294967295"], &["0", "-1", "4294967296"]),
        "BREAKER_FAILURE_RATIO" => (&["0.01", "1", "1e-3"], &["0", "-0.1", "1.01", "NaN", "50%"]),
        "REDIS_TIMEOUT" | "REDIS_PERSECOND_TIMEOUT" => (&["1ms", "10s", "1h"], &["10", "-1", "1d", " 1s"]),
        "BREAKER_WINDOW" | "BREAKER_COOLDOWN" | "BREAKER_MAX_COOLDOWN" => {
            (&["1ms", "10s", "1h"], &["0", "10", "-1s", "999us", "61m"])
        }
        "REDIS_URL" | "REDIS_PERSECOND_URL" => (&["other:1", "redis://other/1", "/run/other.sock"], &[]),
        "REDIS_AUTH" | "REDIS_SENTINEL_AUTH" | "REDIS_PERSECOND_AUTH" | "REDIS_PERSECOND_SENTINEL_AUTH" => {
            (&["a", "a:b", ":b", "ä b:c,d=e", "a:", ":"], &[])
        }
        // the others contradict an address: see the tests beside the code
        "REDIS_KEYS_PER_CALL" | "REDIS_PERSECOND_KEYS_PER_CALL" => (&["auto", "MANY", "one"], &["two", "1", "one key"]),
        "REDIS_TYPE" | "REDIS_PERSECOND_TYPE" => (&["SINGLE", "Cluster"], &["single node", "single ", "sharded"]),
        "REDIS_SOCKET_TYPE" | "REDIS_PERSECOND_SOCKET_TYPE" => (&["tcp", "TCP"], &["udp", " tcp", "unixgram"]),
        "GRPC_CLIENT_TLS_SAN" => (&["envoy.example", "10.0.0.1", "::1"], &["a b", "a:80", "spiffe://a/b", " "]),
        "CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS" => {
            (&["a:b", "A:b c,d:", "authorization:Bearer x"], &["a", "a:b:c", "a:b,", "a=b", "a b:c", "x-bin:a", "a:ä"])
        }
        "CONFIG_GRPC_XDS_SERVER_URL" => (
            &["a:1", "10.0.0.1:18000", "[::1]:1", "dns:///a.b:2", "passthrough:///a:1"],
            &["a", "a:0", "a:65536", "http://a:1", "a b:1"],
        ),
        "CONFIG_GRPC_XDS_SERVER_TLS_SAN" => (&["a.b", "10.0.0.1", "::1"], &["a b", "a:1", "1.2.3.4.5"]),
        "CONFIG_GRPC_XDS_NODE_METADATA" => (&["a=b", "a=b,c=d:e=f", "a=b,", "=", "a:b,c=d", "foo,a=b"], &[]),
        "GRPC_UDS"
        | "RULES"
        | "RULE_DEFAULTS"
        | "RUNTIME_ROOT"
        | "RUNTIME_SUBDIRECTORY"
        | "RUNTIME_APPDIRECTORY"
        | "CACHE_KEY_PREFIX"
        | "GRPC_SERVER_TLS_CERT"
        | "GRPC_SERVER_TLS_KEY"
        | "GRPC_CLIENT_TLS_CACERT"
        | "HTTP_TLS_CERT"
        | "HTTP_TLS_KEY"
        | "PROMETHEUS_TLS_CERT"
        | "PROMETHEUS_TLS_KEY"
        | "CONFIG_GRPC_XDS_NODE_ID"
        | "CONFIG_GRPC_XDS_CLIENT_TLS_CERT"
        | "CONFIG_GRPC_XDS_CLIENT_TLS_KEY"
        | "CONFIG_GRPC_XDS_SERVER_TLS_CACERT"
        | "REDIS_AUTH_FILE"
        | "REDIS_SENTINEL_AUTH_FILE"
        | "REDIS_PERSECOND_AUTH_FILE"
        | "REDIS_PERSECOND_SENTINEL_AUTH_FILE"
        | "REDIS_TLS_CLIENT_CERT"
        | "REDIS_TLS_CLIENT_KEY"
        | "REDIS_TLS_CACERT"
        | "DESCRIPTOR_VALUE_SECRET" => TEXT,
        other => unreachable!("{other} has no samples: add some"),
    }
}

/// Values that the reference accepts and that are replaced here, with a warning.
pub(crate) fn odd(name: &str) -> &'static [&'static str] {
    match name {
        "GRPC_MAX_CONNECTION_AGE_GRACE" | "REDIS_STARTUP_MAX_ELAPSED_TIME" => &["-1s", "-1ns", "-2540400h"],
        "CONFIG_GRPC_XDS_SERVER_CONNECT_RETRY_INTERVAL"
        | "XDS_CLIENT_BACKOFF_INITIAL_INTERVAL"
        | "XDS_CLIENT_BACKOFF_MAX_INTERVAL"
        | "REDIS_STARTUP_INITIAL_INTERVAL"
        | "REDIS_STARTUP_MAX_INTERVAL" => &["0", "0s", "-0", "-1s", "-1h30m"],
        "XDS_CLIENT_BACKOFF_RANDOM_FACTOR" => &["0", "-1", "NaN", "inf", "-Inf"],
        "XDS_CLIENT_MAX_MSG_SIZE_IN_BYTES" => &["4294967296", "9223372036854775807"],
        "NEAR_LIMIT_RATIO" => &["-0.1", "NaN", "inf", "-Infinity", "-1e300"],
        "LOCAL_CACHE_SIZE_IN_BYTES" => &["1", "100", "32767", "524287", "-1", "-9223372036854775808"],
        "EXPIRATION_JITTER_MAX_SECONDS" => &["-1", "-300", "31536001", "9223372036854775807"],
        "REDIS_POOL_SIZE" | "REDIS_PERSECOND_POOL_SIZE" => &["0", "10001", "1_000_000"],
        "REDIS_TIMEOUT" | "REDIS_PERSECOND_TIMEOUT" => &["0", "0s", "-5s", "999us", "61m", "2562047h"],
        "REDIS_SOCKET_TYPE" | "REDIS_PERSECOND_SOCKET_TYPE" => &["tcp4", "tcp6", "TCP4"],
        "CONFIG_GRPC_XDS_NODE_METADATA" => &["foo", "a:b", "foo,a=b", "a=b,,foo", " "],
        _ => &[],
    }
}

/// An environment in which the variable has an effect: for TLS with the other files, for Redis with an address, and for
/// xDS with rules from there.
pub(crate) fn environment<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![(name, value)];
    let given = !value.is_empty();
    let is_of = |group| TABLE.iter().any(|variable: &Variable| variable.name == name && variable.group == group);
    if name.starts_with("GRPC_SERVER_TLS_") || name.starts_with("GRPC_CLIENT_TLS_") {
        all.push(("GRPC_SERVER_USE_TLS", if given || name.starts_with("GRPC_CLIENT_") { "true" } else { "false" }));
    }
    if name.starts_with("GRPC_SERVER_") || name.starts_with("GRPC_CLIENT_") {
        all.extend([("GRPC_SERVER_TLS_CERT", "/cert"), ("GRPC_SERVER_TLS_KEY", "/key")]);
    }
    if is_of(Group::Xds) {
        all.push(("CONFIG_TYPE", "GRPC_XDS_SOTW"));
        if name.contains("_TLS_") {
            all.push(("CONFIG_GRPC_XDS_SERVER_USE_TLS", "true"));
        }
    }
    if name.starts_with("LIMIT_") && name.ends_with("_HEADER") {
        all.push(("LIMIT_RESPONSE_HEADERS_ENABLED", "true"));
    }
    match name {
        "GRPC_CLIENT_TLS_SAN" => all.push(("GRPC_CLIENT_TLS_CACERT", "/ca")),
        "HTTP_TLS_CERT" if given => all.push(("HTTP_TLS_KEY", "/key")),
        "HTTP_TLS_KEY" if given => all.push(("HTTP_TLS_CERT", "/cert")),
        "PROMETHEUS_TLS_CERT" if given => all.push(("PROMETHEUS_TLS_KEY", "/key")),
        "PROMETHEUS_TLS_KEY" if given => all.push(("PROMETHEUS_TLS_CERT", "/cert")),
        "CONFIG_GRPC_XDS_CLIENT_TLS_CERT" if given => all.push(("CONFIG_GRPC_XDS_CLIENT_TLS_KEY", "/key")),
        "CONFIG_GRPC_XDS_CLIENT_TLS_KEY" if given => all.push(("CONFIG_GRPC_XDS_CLIENT_TLS_CERT", "/cert")),
        "REDIS_TLS_CLIENT_CERT" if given => all.push(("REDIS_TLS_CLIENT_KEY", "/key")),
        "REDIS_TLS_CLIENT_KEY" if given => all.push(("REDIS_TLS_CLIENT_CERT", "/cert")),
        _ => {}
    }
    if !["FAILURE_MODE", "REPLICAS"].contains(&name) && !is_of(Group::Redis) {
        all.push(("BACKEND_TYPE", "memory"));
        return all;
    }
    all.push(("BACKEND_TYPE", "redis"));
    let needs_sentinels = name.contains("SENTINEL_AUTH");
    let address = if needs_sentinels { "redis-sentinel://sentinel/master" } else { "redis:6379" };
    all.push(("REDIS_URL", address));
    if name.starts_with("REDIS_PERSECOND_") {
        all.extend([("REDIS_PERSECOND", "true"), ("REDIS_PERSECOND_URL", address)]);
    }
    // neither contradicts the other
    match name {
        "BREAKER_COOLDOWN" => all.push(("BREAKER_MAX_COOLDOWN", "1h")),
        "BREAKER_MAX_COOLDOWN" => all.push(("BREAKER_COOLDOWN", "1ms")),
        _ => {}
    }
    if name == "REDIS_PERSECOND" {
        all.push(("REDIS_PERSECOND_URL", address));
    }
    if name.starts_with("REDIS_TLS_") {
        all.push(("REDIS_TLS", "true"));
    }
    all
}

/// The settings without the variable, in the environment in which it is tested.
pub(crate) fn without(name: &str) -> Settings {
    let unset: Vec<_> = environment(name, "").into_iter().skip(1).collect();
    resolve(&unset).expect(name)
}
