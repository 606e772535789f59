//! The Redis backend, from its variables. `docs/redis.md` describes them.

mod endpoint;
#[cfg(test)]
mod tests;
mod types;
mod url;
mod values;

use std::num::NonZeroUsize;

use super::error::{Place, Problem};
use super::resolve::unless_zero;
use super::table::{Given, Read};
use super::tls;
use super::variables::{Raw, TABLE};
use endpoint::Variables;
pub use types::{
    RedisBreaker, RedisCredentials, RedisEndpoint, RedisKeysPerCall, RedisServer, RedisSettings, RedisStartup,
    RedisTls, RedisTopology,
};
pub(super) use values::{
    Auth, CacheBytes, JitterSeconds, KeysPerCall, MaxPending, PoolOnEmpty, PoolSize, RedisType, SocketType, Timeout,
    Url,
};

/// The size of the deny cache where nothing is said.
const DENY_CACHE_BYTES: NonZeroUsize = NonZeroUsize::new(4 << 20).expect("four MiB is more than nothing");

/// The Redis that the variables describe, or what is wrong with them.
pub(super) fn settings(raw: &Raw, problems: &mut Vec<Problem>) -> Option<RedisSettings> {
    let tls = tls(raw, problems)?;
    let breaker = if raw.breaker.value { Some(breaker(raw, problems)?) } else { None };
    let main = Variables {
        url_name: "REDIS_URL",
        default_socket: "/var/run/nutcracker/ratelimit.sock",
        url: &raw.redis_url,
        socket_type: &raw.redis_socket_type,
        kind: &raw.redis_type,
        auth: &raw.redis_auth,
        auth_file: &raw.redis_auth_file,
        sentinel_auth: &raw.redis_sentinel_auth,
        sentinel_auth_file: &raw.redis_sentinel_auth_file,
        use_tls: &raw.redis_tls,
        tls: &tls,
        pool_size: &raw.redis_pool_size,
        keys_per_call: &raw.redis_keys_per_call,
        timeout: &raw.redis_timeout,
        breaker,
    };
    let per_second = Variables {
        url_name: "REDIS_PERSECOND_URL",
        default_socket: "/var/run/nutcracker/ratelimitpersecond.sock",
        url: &raw.persecond_url,
        socket_type: &raw.persecond_socket_type,
        kind: &raw.persecond_type,
        auth: &raw.persecond_auth,
        auth_file: &raw.persecond_auth_file,
        sentinel_auth: &raw.persecond_sentinel_auth,
        sentinel_auth_file: &raw.persecond_sentinel_auth_file,
        use_tls: &raw.persecond_tls,
        tls: &tls,
        pool_size: &raw.persecond_pool_size,
        keys_per_call: &raw.persecond_keys_per_call,
        timeout: &raw.persecond_timeout,
        breaker,
    };
    for one in [Some(&main), raw.persecond.value.then_some(&per_second)].into_iter().flatten() {
        one.may_be_atomic(&raw.stop_increment, problems);
    }
    let main = main.endpoint(problems);
    let per_second = if raw.persecond.value { Some(per_second.endpoint(problems)?) } else { None };
    Some(RedisSettings {
        main: main?,
        per_second,
        max_jitter: raw.expiration_jitter.value.duration(),
        max_pending: raw.max_pending_checks.value.get(),
        deny_cache_bytes: raw.local_cache_size.value.map_or(Some(DENY_CACHE_BYTES), CacheBytes::size),
        max_local_counters: raw.max_counters.value.get(),
        replicas: raw.replicas.value,
        startup: RedisStartup {
            initial: raw.redis_startup_initial.value,
            longest: raw.redis_startup_max.value,
            give_up: unless_zero(raw.redis_startup_elapsed.value),
        },
        health_needs_connection: raw.redis_health.value,
    })
}

/// `None` if the longest cooldown is shorter than the first, and then there is a problem.
fn breaker(raw: &Raw, problems: &mut Vec<Problem>) -> Option<RedisBreaker> {
    const FIRST: &str = "BREAKER_COOLDOWN";
    const LONGEST: &str = "BREAKER_MAX_COOLDOWN";
    let (cooldown, max_cooldown) = (raw.breaker_cooldown.value.0, raw.breaker_max_cooldown.value.0);
    // a default that stands in for what cannot be read contradicts nothing
    let unread = problems.iter().any(|problem| [FIRST, LONGEST].contains(&problem.place().variable));
    if cooldown > max_cooldown && !unread {
        let (first, longest) =
            (given_or_default(&raw.breaker_cooldown, FIRST), given_or_default(&raw.breaker_max_cooldown, LONGEST));
        let (this, other) = if raw.breaker_max_cooldown.given.is_some() { (longest, first) } else { (first, longest) };
        problems.push(Problem::Contradiction {
            place: this.place,
            value: this.shown,
            other: other.to_string(),
            reason: "the longest time between probes is no shorter than the first: raise BREAKER_MAX_COOLDOWN, or lower BREAKER_COOLDOWN",
        });
        return None;
    }
    Some(RedisBreaker {
        consecutive: raw.breaker_failures.value,
        ratio: raw.breaker_ratio.value,
        window: raw.breaker_window.value.0,
        min_calls: raw.breaker_min_calls.value,
        cooldown,
        max_cooldown,
    })
}

/// The value of this variable as it was written, or as the table has it.
fn given_or_default<T>(read: &Read<T>, name: &'static str) -> Given {
    read.given.clone().unwrap_or_else(|| {
        let row = TABLE.iter().find(|variable| variable.name == name);
        let shown = row.map(|variable| variable.default).unwrap_or_default().to_owned();
        Given { place: Place { variable: name, flag: None }, shown }
    })
}

/// The files are one set for both Redises, as in the reference.
fn tls(raw: &Raw, problems: &mut Vec<Problem>) -> Option<RedisTls> {
    let before = problems.len();
    let identity = tls::pair(
        ("REDIS_TLS_CLIENT_CERT", &raw.redis_tls_cert),
        ("REDIS_TLS_CLIENT_KEY", &raw.redis_tls_key),
        problems,
    );
    (problems.len() == before).then(|| RedisTls {
        ca: raw.redis_tls_cacert.value.clone(),
        identity,
        verify_hostname: !raw.redis_tls_skip.value,
    })
}
