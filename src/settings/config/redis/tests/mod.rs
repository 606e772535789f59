mod auth;
mod contradictions;
mod hidden;
mod urls;

use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use crate::app::{RedisStoreConfig, StoreConfig};
use crate::settings::{Settings, SettingsError};
use limiter::domain::Secret;
use redis::{Address, BreakerConfig, Credentials, Endpoint, HostPort, KeysPerCall, Startup, Topology};
use tls::{ClientFiles, Identity};

fn resolve(environment: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let value = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
    Settings::resolve(&[], value, [])
}

fn store(environment: &[(&str, &str)]) -> RedisStoreConfig {
    let config = resolve(environment).unwrap_or_else(|error| unreachable!("{environment:?}: {error}")).config;
    let StoreConfig::Redis(store) = config.store else { unreachable!("{environment:?}: {config:?}") };
    *store
}

fn main_of(environment: &[(&str, &str)]) -> Endpoint {
    store(environment).redis.main
}

fn error(environment: &[(&str, &str)]) -> String {
    resolve(environment)
        .map(|settings| unreachable!("{environment:?}: {settings:?}"))
        .unwrap_or_else(|error| error.to_string())
}

fn server(host: &str, port: u16) -> HostPort {
    HostPort { host: host.to_owned(), port }
}

fn single(host: &str, port: u16) -> Topology {
    Topology::Single(Address::Tcp(server(host, port)))
}

fn socket(path: &str) -> Topology {
    Topology::Single(Address::Unix(path.into()))
}

fn fixed(user: Option<&str>, password: &str) -> Credentials {
    Credentials::Fixed { user: user.map(str::to_owned), password: Secret::new(password.to_owned()) }
}

#[test]
fn each_redis_has_its_own_switch_for_plain_commands() {
    let redis = store(&[
        ("REDIS_URL", "redis://a"),
        ("REDIS_PERSECOND", "true"),
        ("REDIS_PERSECOND_URL", "redis://b"),
        ("REDIS_PLAIN_COMMANDS", "false"),
    ])
    .redis;
    assert_eq!((redis.main.plain_commands, redis.per_second.map(|one| one.plain_commands)), (false, Some(true)));
}

#[test]
fn each_redis_has_its_own_number_of_keys_per_call() {
    let redis = store(&[
        ("REDIS_URL", "redis://a"),
        ("REDIS_KEYS_PER_CALL", "One"),
        ("REDIS_PERSECOND", "true"),
        ("REDIS_PERSECOND_URL", "redis://b"),
        ("REDIS_PERSECOND_KEYS_PER_CALL", "many"),
    ])
    .redis;
    assert_eq!(redis.main.keys_per_call, Some(KeysPerCall::One));
    assert_eq!(redis.per_second.map(|one| one.keys_per_call), Some(Some(KeysPerCall::Many)));
}

#[test]
fn defaults() {
    let store = store(&[("BACKEND_TYPE", "redis"), ("WORKERS", "1")]);
    let main = Endpoint {
        topology: socket("/var/run/nutcracker/ratelimit.sock"),
        credentials: Credentials::None,
        key_prefix: String::new(),
        tls: None,
        database: 0,
        // half of ten: the worker and `/json` share the pool
        connections: NonZeroUsize::new(5).expect("five"),
        keys_per_call: None,
        plain_commands: true,
        timeout: Duration::from_millis(100),
        startup: Startup { initial: Duration::from_secs(1), longest: Duration::from_secs(30) },
        breaker: Some(BreakerConfig {
            consecutive: NonZeroU32::new(5).expect("five"),
            ratio: 0.5,
            window: Duration::from_secs(10),
            min_calls: NonZeroU32::new(20).expect("twenty"),
            cooldown: Duration::from_millis(200),
            max_cooldown: Duration::from_secs(2),
        }),
    };
    assert_eq!(store.redis.main, main);
    assert_eq!(store.redis.per_second, None);
    assert_eq!(store.redis.max_jitter, Duration::from_secs(300));
    assert_eq!(store.redis.max_pending.get(), 10_000);
    assert_eq!(store.guards.deny_cache_bytes.map(NonZeroUsize::get), Some(4 << 20));
    assert_eq!((store.guards.local.max_counters.get(), store.guards.replicas.get()), (1_000_000, 1));
    assert!(!store.health_needs_connection);
}

#[test]
fn a_client_has_its_share_of_the_pool_and_at_least_one_connection() {
    let connections = |pool, workers| {
        main_of(&[("REDIS_URL", "h:1"), ("REDIS_POOL_SIZE", pool), ("WORKERS", workers)]).connections.get()
    };
    assert_eq!([connections("12", "3"), connections("10", "3"), connections("1", "3")], [3, 2, 1]);
}

#[test]
fn one_server_in_every_form() {
    for (url, topology) in [
        ("redis:6379", single("redis", 6379)),
        ("10.0.0.1:1", single("10.0.0.1", 1)),
        ("[::1]:6379", single("::1", 6379)),
        ("redis://redis", single("redis", 6379)),
        ("redis://redis:7000/", single("redis", 7000)),
        ("REDIS://[fe80::1]", single("fe80::1", 6379)),
        ("/run/redis.sock", socket("/run/redis.sock")),
        ("unix:///run/a%20b.sock", socket("/run/a b.sock")),
    ] {
        let main = main_of(&[("REDIS_URL", url)]);
        assert_eq!((&main.topology, main.database, &main.tls), (&topology, 0, &None), "{url}");
        let kind = if matches!(topology, Topology::Single(Address::Unix(_))) { "unix" } else { "TCP" };
        assert_eq!(
            main_of(&[("REDIS_URL", url), ("REDIS_SOCKET_TYPE", kind), ("REDIS_TYPE", "single")]),
            main,
            "{url}"
        );
    }
    assert_eq!(main_of(&[("REDIS_URL", "redis://h/3")]).database, 3);
    // only the server knows how many databases it has
    for number in [255, 256, 300, 4_294_967_295_u32] {
        assert_eq!(main_of(&[("REDIS_URL", &format!("redis://h/{number}"))]).database, number);
        assert_eq!(main_of(&[("REDIS_URL", &format!("unix:///s?db={number}"))]).database, number);
    }
    assert_eq!(main_of(&[("REDIS_URL", "unix:///s?db=9")]).database, 9);
}

#[test]
fn sentinels_and_clusters_in_every_form() {
    let sentinels = Topology::Sentinel {
        master: "my-master".to_owned(),
        sentinels: vec![server("a", 26379), server("b", 1)],
        credentials: Credentials::None,
    };
    let bare =
        main_of(&[("REDIS_URL", "my-master,a:26379, b:1"), ("REDIS_TYPE", "SENTINEL"), ("REDIS_SOCKET_TYPE", "tcp")]);
    assert_eq!(bare.topology, sentinels);
    assert_eq!(main_of(&[("REDIS_URL", "redis-sentinel://a,b:1/my%2Dmaster")]).topology, sentinels);
    let with_database = main_of(&[("REDIS_URL", "rediss-sentinel://u:p@a,b:1/my-master/2")]);
    assert_eq!((&with_database.topology, with_database.database), (&sentinels, 2));
    assert!(with_database.tls.is_some() && with_database.credentials == fixed(Some("u"), "p"));

    let cluster = Topology::Cluster(vec![server("a", 6379), server("::1", 2)]);
    assert_eq!(main_of(&[("REDIS_URL", "a:6379,[::1]:2"), ("REDIS_TYPE", "CLUSTER")]).topology, cluster);
    assert_eq!(main_of(&[("REDIS_URL", "redis-cluster://a,[::1]:2"), ("REDIS_TYPE", "CLUSTER")]).topology, cluster);
    assert_eq!(main_of(&[("REDIS_URL", "rediss-cluster://a,[::1]:2/0")]).topology, cluster);
}

#[test]
fn malformed_addresses() {
    for (url, kind) in [
        ("redis", "SINGLE"),
        ("redis:0", "SINGLE"),
        ("a:1,b:2", "SINGLE"),
        ("redis:6379:1", "SINGLE"),
        ("::1:6379", "SINGLE"),
        ("http://redis:1", "SINGLE"),
        ("redis://", "SINGLE"),
        ("redis://h:port", "SINGLE"),
        ("redis://h/db", "SINGLE"),
        ("redis://h/4294967296", "SINGLE"),
        ("redis://h/1/2", "SINGLE"),
        ("redis://:%zz@h", "SINGLE"),
        ("redis://:%e9@h", "SINGLE"),
        ("unix://run/redis.sock", "SINGLE"),
        ("unix:///s?db=one", "SINGLE"),
        ("a:1", "SENTINEL"),
        ("master,", "SENTINEL"),
        (",a:1", "SENTINEL"),
        ("master,a", "SENTINEL"),
        ("redis-sentinel://a:1", "SENTINEL"),
        ("redis-sentinel:///master", "SENTINEL"),
        (",", "CLUSTER"),
        ("a", "CLUSTER"),
        ("redis-cluster://a/1", "CLUSTER"),
    ] {
        let text = error(&[("REDIS_URL", url), ("REDIS_TYPE", kind)]);
        assert!(text.starts_with("REDIS_URL: ") && text.contains(" is not ") && !text.contains('\n'), "{url}: {text}");
    }
}

#[test]
fn credentials() {
    let auth = |value| main_of(&[("REDIS_URL", "h:1"), ("REDIS_AUTH", value)]).credentials;
    assert_eq!(auth(""), Credentials::None);
    assert_eq!(auth("hunter2"), fixed(None, "hunter2"));
    assert_eq!(auth("me:hun:ter2"), fixed(Some("me"), "hun:ter2"));
    assert_eq!(auth(":hunter2"), fixed(None, "hunter2"));
    let file = main_of(&[("REDIS_URL", "h:1"), ("REDIS_AUTH_FILE", "/p")]);
    assert_eq!(file.credentials, Credentials::File("/p".into()));
    let url = |text| main_of(&[("REDIS_URL", text)]).credentials;
    assert_eq!(url("redis://:hunter2@h"), fixed(None, "hunter2"));
    assert_eq!(url("redis://m%65:p%40%3A%2fs@h"), fixed(Some("me"), "p@:/s"));
    assert_eq!(url("redis://me:p@s@h"), fixed(Some("me"), "p@s"));
    let sentinel = [("REDIS_URL", "redis-sentinel://u:data@a/m"), ("REDIS_SENTINEL_AUTH", "s:sentinel")];
    let main = main_of(&sentinel);
    let Topology::Sentinel { credentials, .. } = main.topology else { unreachable!("{main:?}") };
    assert_eq!((main.credentials, credentials), (fixed(Some("u"), "data"), fixed(Some("s"), "sentinel")));
}

#[test]
fn tls() {
    let main = main_of(&[
        ("REDIS_URL", "h:1"),
        ("REDIS_TLS", "true"),
        ("REDIS_TLS_CACERT", "/ca"),
        ("REDIS_TLS_CLIENT_CERT", "/cert"),
        ("REDIS_TLS_CLIENT_KEY", "/key"),
        ("REDIS_TLS_SKIP_HOSTNAME_VERIFICATION", "true"),
    ]);
    let identity = Some(Identity { certificate: "/cert".into(), key: "/key".into() });
    assert_eq!(main.tls, Some(ClientFiles { ca: Some("/ca".into()), identity, verify_hostname: false }));
    let plain = ClientFiles { ca: None, identity: None, verify_hostname: true };
    assert_eq!(main_of(&[("REDIS_URL", "rediss://h:1")]).tls, Some(plain.clone()));
    // The reference accepts this combination.
    assert_eq!(main_of(&[("REDIS_URL", "redis://h:1"), ("REDIS_TLS", "true")]).tls, Some(plain));
    // The reference ignores a key without its certificate, with or without TLS.
    for (tls, reason) in [
        ("true", "REDIS_TLS_CLIENT_CERT is not set, and a client certificate needs both"),
        ("false", "connections to Redis have no TLS"),
    ] {
        let settings = resolve(&[("REDIS_URL", "h:1"), ("REDIS_TLS", tls), ("REDIS_TLS_CLIENT_KEY", "/key")]);
        let settings = settings.expect("Redis");
        assert_eq!(settings.warnings, [format!("no effect: REDIS_TLS_CLIENT_KEY=/key: {reason}")]);
    }
}

#[test]
fn a_second_redis_has_its_own_variables() {
    let environment = [
        ("REDIS_URL", "h:1"),
        ("REDIS_AUTH", "first"),
        ("REDIS_PERSECOND", "true"),
        ("REDIS_PERSECOND_URL", "m,s:2"),
        ("REDIS_PERSECOND_TYPE", "SENTINEL"),
        ("REDIS_PERSECOND_AUTH_FILE", "/second"),
        ("REDIS_PERSECOND_SENTINEL_AUTH", "sentinel"),
        ("REDIS_PERSECOND_TLS", "true"),
        ("REDIS_PERSECOND_POOL_SIZE", "6"),
        ("WORKERS", "1"),
        ("REDIS_PERSECOND_TIMEOUT", "20ms"),
        ("REDIS_TLS_CACERT", "/ca"),
    ];
    let redis = store(&environment).redis;
    assert_eq!((redis.main.credentials, redis.main.tls), (fixed(None, "first"), None));
    let second = redis.per_second.expect("a second Redis");
    let credentials = fixed(None, "sentinel");
    let sentinels = vec![server("s", 2)];
    assert_eq!(second.topology, Topology::Sentinel { master: "m".to_owned(), sentinels, credentials });
    assert_eq!(second.credentials, Credentials::File("/second".into()));
    assert_eq!(second.tls.and_then(|tls| tls.ca), Some("/ca".into()));
    assert_eq!((second.connections.get(), second.timeout), (3, Duration::from_millis(20)));
    assert_eq!(resolve(&environment).expect("settings").warnings, Vec::<String>::new());
    let both = error(&[("REDIS_URL", "h"), ("REDIS_PERSECOND", "true"), ("REDIS_PERSECOND_URL", "i")]);
    assert!(both.starts_with("REDIS_URL: \"h\"") && both.contains("\nREDIS_PERSECOND_URL: \"i\""), "{both}");
}

#[test]
fn what_redis_does_not_use_is_warned_about() {
    let settings = resolve(&[
        ("REDIS_URL", "h:1"),
        ("MAX_COUNTERS", "5"),
        ("FAILURE_MODE", "local"),
        ("REPLICAS", "3"),
        ("REDIS_PERSECOND_POOL_SIZE", "5"),
        ("REDIS_SENTINEL_AUTH", "hunter2"),
        ("REDIS_TLS_CACERT", "/ca"),
        ("REDIS_HEALTH_CHECK_ACTIVE_CONNECTION", "true"),
        ("REDIS_POOL_ON_EMPTY_BEHAVIOR", "CREATE"),
        ("REDIS_STARTUP_MAX_ELAPSED_TIME", "10s"),
        ("LOCAL_CACHE_SIZE_IN_BYTES", "0"),
    ])
    .expect("settings");
    let named = |name: &str| settings.warnings.iter().filter(|warning| warning.contains(name)).count();
    for name in ["REDIS_PERSECOND_POOL_SIZE", "REDIS_SENTINEL_AUTH", "REDIS_TLS_CACERT", "REDIS_POOL_ON_EMPTY_BEHAVIOR"]
    {
        assert_eq!(named(name), 1, "{name}: {:?}", settings.warnings);
    }
    assert_eq!(settings.warnings.len(), 4, "{:?}", settings.warnings);
}

#[test]
fn how_long_to_try_at_the_start() {
    let seconds = Duration::from_secs;
    let default = store(&[("REDIS_URL", "h:1")]);
    let startup = Startup { initial: seconds(1), longest: seconds(30) };
    assert_eq!((default.redis.main.startup, default.give_up), (startup, None));
    let store = store(&[
        ("REDIS_URL", "h:1"),
        ("REDIS_STARTUP_INITIAL_INTERVAL", "1ns"),
        ("REDIS_STARTUP_MAX_INTERVAL", "5s"),
        ("REDIS_STARTUP_MAX_ELAPSED_TIME", "1m"),
    ]);
    let startup = Startup { initial: Duration::from_nanos(1), longest: seconds(5) };
    assert_eq!((store.redis.main.startup, store.give_up), (startup, Some(seconds(60))));
}

#[test]
fn the_memory_store_has_no_use_for_replicas() {
    let settings = resolve(&[("FAILURE_MODE", "allow"), ("REPLICAS", "3")]).expect("settings");
    assert_eq!(settings.warnings, ["no effect: REPLICAS=3: the memory store does not fail"]);
}
