//! The variables that determine where counters are kept.

use tollgate::app::StoreConfig;

use super::support::{faults, resolve, unreadable};

#[test]
fn redis_named_without_a_backend_is_the_backend() {
    for (name, value) in [("REDIS_URL", "redis:6379"), ("REDIS_TYPE", "single"), ("REDIS_SOCKET_TYPE", "UNIX")] {
        assert!(matches!(resolve(&[(name, value)]).expect(name).config.store, StoreConfig::Redis(_)), "{name}");
        let settings = resolve(&[(name, value), ("BACKEND_TYPE", "memory")]).expect("memory");
        assert!(matches!(settings.config.store, StoreConfig::Memory(_)), "{name}");
        assert_eq!(settings.warnings, [format!("no effect: {name}={value}: the backend is memory")]);
    }
    for word in ["redis", "REDIS"] {
        let config = resolve(&[("BACKEND_TYPE", word)]).expect(word).config;
        assert!(matches!(config.store, StoreConfig::Redis(_)), "{word}");
    }
    // other Redis variables do not select it: Kubernetes injects some of them
    let settings = resolve(&[("REDIS_PORT", "tcp://10.0.0.1:6379"), ("REDIS_POOL_SIZE", "5")]).expect("memory");
    assert!(matches!(settings.config.store, StoreConfig::Memory(_)));
}

#[test]
fn a_malformed_backend_is_one_error_and_not_two() {
    assert_eq!(faults(&[("BACKEND_TYPE", "mysql"), ("REDIS_URL", "redis:6379")]), ["BACKEND_TYPE"]);
}

#[test]
fn an_empty_redis_url_does_not_silently_change_the_store() {
    let warns = |variables: &[(&str, &str)]| {
        let settings = resolve(variables).expect("settings");
        settings.warnings.iter().any(|warning| warning.contains("REDIS_URL is empty"))
    };
    assert!(warns(&[("REDIS_URL", "")]) && !warns(&[]));
    assert!(!warns(&[("REDIS_URL", ""), ("BACKEND_TYPE", "memory")]));
}

#[test]
fn an_error_in_a_redis_setting_does_not_start_with_the_memory_store() {
    let url = unreadable(b"redis://:p@h:6379/");
    let tcp = unreadable(b"tcp");
    let (url, tcp) = (url.as_os_str(), tcp.as_os_str());
    let text = std::ffi::OsStr::new;
    for (environment, wrong) in [
        (&[("REDIS_URL", url)][..], "REDIS_URL"),
        (&[("REDIS_TYPE", text("CLUSTR"))], "REDIS_TYPE"),
        (&[("REDIS_SOCKET_TYPE", text("tpc"))], "REDIS_SOCKET_TYPE"),
        (&[("REDIS_SOCKET_TYPE", tcp)], "REDIS_SOCKET_TYPE"),
        (&[("REDIS_URL", text("")), ("REDIS_TYPE", text("CLUSTR"))], "REDIS_TYPE"),
        (&[("REDIS_URL", text("")), ("REDIS_SOCKET_TYPE", text("tpc"))], "REDIS_SOCKET_TYPE"),
        (&[("REDIS_URL", text("h:1")), ("REDIS_TYPE", text("CLUSTR"))], "REDIS_TYPE"),
        (&[("REDIS_URL", text("a:1,b:2")), ("REDIS_TYPE", text("CLUSTR"))], "REDIS_TYPE"),
        (&[("REDIS_URL", text("m,b:2")), ("REDIS_TYPE", text("SENTINAL"))], "REDIS_TYPE"),
        (&[("REDIS_URL", text("r.sock")), ("REDIS_SOCKET_TYPE", text("unx"))], "REDIS_SOCKET_TYPE"),
        (&[("REDIS_URL", url), ("REDIS_TYPE", text("CLUSTER"))], "REDIS_URL"),
        (&[("REDIS_URL", url), ("REDIS_SOCKET_TYPE", text("tcp"))], "REDIS_URL"),
        (&[("REDIS_URL", url), ("REDIS_POOL_SIZE", text("5"))], "REDIS_URL"),
        (&[("REDIS_URL", text("")), ("REDIS_SOCKET_TYPE", text("tcp"))], "REDIS_URL"),
        (
            &[("REDIS_URL", text("h:1")), ("REDIS_PERSECOND", text("true")), ("REDIS_PERSECOND_URL", url)],
            "REDIS_PERSECOND_URL",
        ),
    ] {
        assert_eq!(faults(environment), [wrong], "{environment:?}");
        let shown = resolve(environment).expect_err(wrong).to_string();
        assert!(!shown.contains(":p@"), "{shown}");
        let memory = [environment, &[("BACKEND_TYPE", text("memory"))]].concat();
        assert!(resolve(&memory).is_ok(), "{environment:?}");
    }
}
