//! Redis with and without access for us. No password is ever printed.

use std::net::TcpListener;

use crate::doctor::run::{Doctor, Ran};
use testkit::{echo, ports::free_port, redis::Redis};

const SECRET: &str = "s3cr3t-Of-a-test";

fn on(url: impl Into<std::ffi::OsString>) -> Doctor {
    Doctor::new().env("REDIS_URL", url.into())
}

fn local(redis: &Redis) -> String {
    format!("redis://127.0.0.1:{}", redis.port)
}

pub fn good() -> Ran {
    on(local(&Redis::start(&[]))).run()
}

pub fn two() -> Ran {
    let redis = Redis::start(&[]);
    on(local(&redis))
        .env("REDIS_PERSECOND", "true")
        .env("REDIS_PERSECOND_URL", format!("redis://127.0.0.1:{}", free_port()))
        .run()
}

pub fn refused() -> Ran {
    on(format!("redis://:{SECRET}@127.0.0.1:{}", free_port())).run()
}

pub fn without_rights() -> Ran {
    let redis = Redis::start(&[]);
    redis.cli(&["ACL", "SETUSER", "rl", "on", &format!(">{SECRET}"), "~*", "+ping"]);
    on(format!("redis://rl:{SECRET}@127.0.0.1:{}", redis.port)).run()
}

pub fn wrong_password() -> Ran {
    let redis = Redis::start(&["--requirepass", "another"]);
    on(local(&redis)).env("REDIS_AUTH", SECRET).run()
}

pub fn silent() -> Ran {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    on(format!("redis://127.0.0.1:{port}")).env("REDIS_TIMEOUT", "60s").args(&["--timeout", "5s"]).run()
}

pub fn evicting() -> Ran {
    on(local(&Redis::start(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]))).run()
}

pub fn of_another_time() -> Ran {
    on(local(&Redis::start(&[]))).clock("+1h").run()
}

pub fn without_tls() -> Ran {
    let redis = Redis::start(&[]);
    on(format!("rediss://127.0.0.1:{}", redis.port)).run()
}

pub fn no_cluster() -> Ran {
    let redis = Redis::start(&[]);
    on(format!("127.0.0.1:{}", redis.port)).env("REDIS_TYPE", "CLUSTER").args(&["--timeout", "10s"]).run()
}

pub fn no_sentinel() -> Ran {
    let redis = Redis::start(&[]);
    on(format!("mymaster,127.0.0.1:{}", redis.port)).env("REDIS_TYPE", "SENTINEL").run()
}

#[test]
fn a_redis_that_counts_is_ok_and_others_are_reported_with_the_reason() {
    good().says(0, "redis", "ok", &["127.0.0.1:", " accepts the login and counts"]);
    let two = two();
    two.says(1, "redis", "ok", &["accepts the login and counts"]);
    two.says(
        1,
        "redis per second",
        "fail",
        &["refused (REDIS_PERSECOND_URL): start it", "correct REDIS_PERSECOND_URL"],
    );
    refused().says(
        1,
        "redis",
        "fail",
        &["refused (REDIS_URL): start it, allow this machine to reach it, or correct REDIS_URL"],
    );
    without_rights().says(1, "redis", "fail", &["NOPERM", "allow the user `rl` to count: ACL SETUSER rl "]);
    wrong_password().says(1, "redis", "fail", &["WRONGPASS", "correct REDIS_AUTH"]);
    silent().says(1, "redis", "fail", &["did not answer within 4.5s", "correct REDIS_URL"]);
    without_tls().says(1, "redis", "fail", &["does this port speak TLS"]);
    no_cluster().says(1, "redis", "fail", &["set REDIS_TYPE=SINGLE"]);
    no_sentinel().says(1, "redis", "fail", &["correct the addresses of the sentinels"]);
}

#[test]
fn oddities_of_a_redis_that_counts_are_warnings() {
    evicting().says(0, "redis", "warn", &["maxmemory-policy is allkeys-lru", "noeviction"]);
    let ran = of_another_time();
    ran.says(0, "redis", "warn", &[" s behind this machine's", "with one time server"]);
    assert!(!good().stdout.contains("warn"));
}

#[test]
fn it_touches_its_own_counters_only() {
    let redis = Redis::start(&[]);
    let ran = on(local(&redis)).env("CACHE_KEY_PREFIX", "mine:").run();
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert!(redis.counters().is_empty(), "{:?}", redis.counters());
}

#[test]
fn no_secret_is_printed() {
    for ran in [refused(), without_rights(), wrong_password()] {
        assert!(!ran.stdout.contains(SECRET) && !ran.stderr.contains(SECRET), "{}{}", ran.stdout, ran.stderr);
    }
    let json = on(format!("redis://:{SECRET}@127.0.0.1:{}", free_port())).args(&["--json"]).run();
    assert!(json.code == 1 && !json.stdout.contains(SECRET), "{}", json.stdout);
    let bad = Doctor::new().env("REDIS_URL", format!("redis://u:{SECRET}@h:port")).env("REDIS_AUTH", SECRET).run();
    assert!(bad.code == 1 && !bad.stdout.contains(SECRET), "{}", bad.stdout);
}

#[test]
fn a_server_that_repeats_the_password_is_not_quoted() {
    for refuse in [echo::as_unknown, echo::quoted, echo::shortened] as [echo::Refuse; 3] {
        for format in [&[][..], &["--json"]] {
            let url = format!("redis://gate:{SECRET}@127.0.0.1:{}", echo::start(refuse));
            let ran = on(url).args(format).run();
            assert!(ran.code == 1 && !ran.stdout.contains(SECRET) && !ran.stderr.contains(SECRET), "{}", ran.stdout);
            let parts = ["this Redis takes no password", "(hidden)"];
            assert!(parts.iter().any(|part| ran.stdout.contains(part)), "{}", ran.stdout);
        }
    }
}

#[test]
fn rules_that_the_redis_refuses_fail() {
    let redis = Redis::start(&[]);
    let rules = crate::doctor::run::rules_file(
        "domain: d\ndescriptors:\n  - key: k\n    rate_limits:\n      - {unit: day, requests_per_unit: 9}\n      \
         - {unit: hour, requests_per_unit: 1}\n",
    );
    let ran = |keys: &str| on(local(&redis)).env("RULES", rules.path()).env("REDIS_KEYS_PER_CALL", keys).run();
    let one = ran("one");
    assert_eq!(one.code, 1, "{}", one.stdout);
    assert!(one.stdout.contains("fail  rules") && one.stdout.contains("REDIS_KEYS_PER_CALL"), "{}", one.stdout);
    assert_eq!(ran("many").code, 0);
}
