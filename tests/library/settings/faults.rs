//! Errors are reported together and completely, and without secrets.

use limiter::domain::KeyBuilder;
use tollgate::settings::{Problem, TABLE};

use super::support::{resolve, unreadable};

#[test]
fn all_errors_are_reported_at_once_and_completely() {
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
         BACKEND_TYPE: \"memcache\" asks for the memcache backend, which is not supported yet: set BACKEND_TYPE=redis \
         or BACKEND_TYPE=memory meanwhile"
    );
}

#[test]
fn a_value_that_is_not_unicode_is_an_error_and_not_a_panic() {
    for variable in TABLE {
        match resolve(&[(variable.name, unreadable(b"a"))]) {
            Err(error) => {
                let [Problem::Malformed { origin, .. }] = error.problems() else { unreachable!("{error}") };
                assert_eq!(origin.variable, variable.name);
            }
            // unless the variable has no effect
            Ok(settings) => {
                let [warning] = &settings.warnings[..] else { unreachable!("{}: {settings:?}", variable.name) };
                assert!(warning.starts_with(&format!("no effect: {}", variable.name)), "{warning}");
            }
        }
    }
}

#[test]
fn unsupported_features_are_rejected() {
    let error = resolve(&[("BACKEND_TYPE", "memcache")]).expect_err("it is unsupported");
    let [Problem::NotSupportedYet { origin, value, .. }] = error.problems() else { unreachable!("{error}") };
    assert_eq!((origin.variable, value.as_str()), ("BACKEND_TYPE", "memcache"));
    let off = [("BACKEND_TYPE", "memory"), ("CONFIG_TYPE", "FILE"), ("TRACING_ENABLED", "false")];
    assert_eq!(resolve(&off).expect("nothing is asked for").warnings, Vec::<String>::new());
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
    assert_eq!(settings.config.keys, KeyBuilder::new("").hashing_values(secret));
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
