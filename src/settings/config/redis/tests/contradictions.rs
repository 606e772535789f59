//! Variables that are valid by themselves and exclude each other.

use super::*;

#[test]
fn with_one_key_per_call_requests_cannot_be_atomic() {
    let stop = ("STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT", "true");
    let second = ("REDIS_PERSECOND", "true");
    let both = [("REDIS_URL", "redis://a"), ("REDIS_PERSECOND_URL", "redis://b"), stop, second];
    for name in ["REDIS_KEYS_PER_CALL", "REDIS_PERSECOND_KEYS_PER_CALL"] {
        let error = error(&[&both[..], &[(name, "one")]].concat());
        assert!(error.contains(name) && error.contains(stop.0) && error.contains("unset STOP"), "{error}");
        for fine in ["auto", "many"] {
            main_of(&[&both[..], &[(name, fine)]].concat());
        }
    }
    main_of(&[("REDIS_URL", "redis://a"), stop, ("REDIS_PERSECOND_KEYS_PER_CALL", "one")]);
}

#[test]
fn behind_a_proxy_there_is_one_database() {
    for url in ["redis://a/1", "unix:///run/proxy.sock?db=1"] {
        let error = error(&[("REDIS_URL", url), ("REDIS_KEYS_PER_CALL", "one")]);
        assert!(error.contains("REDIS_KEYS_PER_CALL") && error.contains("CACHE_KEY_PREFIX"), "{error}");
        assert_eq!(main_of(&[("REDIS_URL", url)]).database, 1);
    }
    main_of(&[("REDIS_URL", "redis-sentinel://s1/m/1"), ("REDIS_KEYS_PER_CALL", "one")]);
}

#[test]
fn a_contradiction_names_both_variables() {
    for (environment, expected) in [
        (
            &[("REDIS_URL", "redis-sentinel://h/m"), ("REDIS_TYPE", "cluster")][..],
            r#"REDIS_TYPE: "cluster" contradicts REDIS_URL=redis-sentinel://h/m: the URL is of another type"#,
        ),
        (
            &[("REDIS_URL", "h:1"), ("REDIS_SOCKET_TYPE", "unix")],
            r#"REDIS_SOCKET_TYPE: "unix" contradicts REDIS_URL=h:1: the URL is not the path of a socket"#,
        ),
        (
            &[("REDIS_URL", "/run/s"), ("REDIS_SOCKET_TYPE", "tcp")],
            r#"REDIS_SOCKET_TYPE: "tcp" contradicts REDIS_URL=/run/s: the URL is the path of a socket"#,
        ),
        (
            &[("REDIS_URL", "rediss://h"), ("REDIS_TLS", "false")],
            r#"REDIS_TLS: "false" contradicts REDIS_URL=rediss://h: the URL asks for TLS"#,
        ),
        (
            &[("REDIS_URL", "/run/s"), ("REDIS_TLS", "1")],
            r#"REDIS_TLS: "1" contradicts REDIS_URL=/run/s: a unix socket has no TLS"#,
        ),
        (
            &[("REDIS_URL", "redis://:hunter2@h"), ("REDIS_AUTH_FILE", "/p")],
            r#"REDIS_AUTH_FILE: "/p" contradicts REDIS_URL=redis://(hidden)@h: only one of them may have a login"#,
        ),
        (
            &[("REDIS_URL", "h:1"), ("REDIS_AUTH", "hunter2"), ("REDIS_AUTH_FILE", "/p")],
            r#"REDIS_AUTH_FILE: "/p" contradicts REDIS_AUTH=(hidden): only one of them may be set"#,
        ),
        (&[("REDIS_TYPE", "CLUSTER")], "REDIS_URL: is not set, and REDIS_TYPE=CLUSTER needs it"),
        (
            &[("REDIS_SOCKET_TYPE", "tcp"), ("REDIS_URL", "")],
            "REDIS_URL: is not set, and REDIS_SOCKET_TYPE=tcp needs it",
        ),
    ] {
        assert_eq!(error(environment), expected);
    }
}

#[test]
fn the_longest_cooldown_must_not_be_shorter_than_the_first() {
    let address = ("REDIS_URL", "redis:6379");
    for (cooldown, longest, shown) in [
        (Some("5s"), Some("1s"), "BREAKER_MAX_COOLDOWN: \"1s\" contradicts BREAKER_COOLDOWN=5s: "),
        (Some("5s"), None, "BREAKER_COOLDOWN: \"5s\" contradicts BREAKER_MAX_COOLDOWN=2s: "),
        (None, Some("100ms"), "BREAKER_MAX_COOLDOWN: \"100ms\" contradicts BREAKER_COOLDOWN=200ms: "),
    ] {
        let given = [("BREAKER_COOLDOWN", cooldown), ("BREAKER_MAX_COOLDOWN", longest)];
        let mut all: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        all.push(address);
        let error = error(&all);
        assert!(error.starts_with(shown) && error.contains("raise BREAKER_MAX_COOLDOWN"), "{error}");
        // without a breaker the cooldowns have no effect: a warning
        all.push(("BREAKER", "false"));
        assert!(resolve(&all).is_ok());
    }
    let unread = error(&[address, ("BREAKER_COOLDOWN", "5s"), ("BREAKER_MAX_COOLDOWN", "soon")]);
    assert!(unread.starts_with("BREAKER_MAX_COOLDOWN: \"soon\" is not") && !unread.contains('\n'), "{unread}");
    let equal = main_of(&[address, ("BREAKER_COOLDOWN", "3s"), ("BREAKER_MAX_COOLDOWN", "3s")]);
    assert_eq!(equal.breaker.map(|breaker| breaker.max_cooldown), Some(Duration::from_secs(3)));
}
