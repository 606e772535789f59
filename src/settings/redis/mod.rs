//! The Redis backend, from its variables. `docs/redis.md` describes them.

mod auth;
mod endpoint;
mod login;
#[cfg(test)]
mod tests;
mod types;
mod url;
mod values;

use std::num::NonZeroUsize;

use super::error::{Place, Problem};
use super::resolve::unless_zero;
use super::table::{Given, Note, Read};
use super::tls::TlsIdentity;
use super::variables::{Raw, TABLE};
pub(super) use auth::Auth;
use endpoint::Variables;
pub use types::{
    RedisBreaker, RedisCredentials, RedisEndpoint, RedisKeysPerCall, RedisServer, RedisSettings, RedisStartup,
    RedisTls, RedisTopology,
};
pub(super) use values::{
    CacheBytes, CallTimeout, JitterSeconds, KeysPerCall, MaxPending, PoolOnEmpty, PoolSize, RedisType, SocketType,
    Timeout, Url,
};

/// The size of the deny cache where nothing is said.
const DENY_CACHE_BYTES: NonZeroUsize = NonZeroUsize::new(4 << 20).expect("four MiB is more than nothing");

/// The Redis that the variables describe, or what is wrong with them; and what is odd about them.
pub(super) fn settings(raw: &Raw, problems: &mut Vec<Problem>, notes: &mut Vec<Note>) -> Option<RedisSettings> {
    let tls = tls(raw);
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
    let main = main.endpoint(problems, notes);
    let is_cluster = |one: &RedisEndpoint| matches!(one.topology, RedisTopology::Cluster(_));
    // of the first pair of braces a cluster takes the slot, and of an empty one that of the whole key
    let has_empty_tag = |prefix: &str| prefix.split_once('{').is_some_and(|(_, rest)| rest.starts_with('}'));
    if main.as_ref().is_some_and(is_cluster) && has_empty_tag(&raw.cache_key_prefix.value) {
        problems.push(Problem::Malformed {
            place: Place { variable: "CACHE_KEY_PREFIX", flag: None },
            value: raw.cache_key_prefix.value.clone(),
            accepted: "a prefix for a cluster, which gives the limits of one descriptor different slots if {} comes first",
        });
    }
    let per_second = if raw.persecond.value { Some(per_second.endpoint(problems, notes)?) } else { None };
    Some(RedisSettings {
        main: main?,
        per_second,
        max_jitter: raw.expiration_jitter.value.duration(),
        max_pending: raw.max_pending_checks.value.get(),
        deny_cache_bytes: raw.local_cache_size.value.map_or(Some(DENY_CACHE_BYTES), CacheBytes::size),
        max_local_counters: raw.max_counters.value.get(),
        replicas: raw.replicas.value,
        startup: RedisStartup {
            initial: raw.redis_startup_initial.value.0,
            longest: raw.redis_startup_max.value.0,
            give_up: unless_zero(raw.redis_startup_elapsed.value.0),
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
fn tls(raw: &Raw) -> RedisTls {
    RedisTls {
        ca: raw.redis_tls_cacert.value.clone(),
        identity: TlsIdentity::of(&raw.redis_tls_cert, &raw.redis_tls_key),
        verify_hostname: !raw.redis_tls_skip.value,
    }
}

/// What kinds of Redis the variables ask for, as far as each can be told from its address alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kinds {
    pub(super) main: RedisType,
    pub(super) per_second: Option<RedisType>,
    /// One of them is reached over TLS.
    pub(super) tls: bool,
}

pub(super) fn kinds(raw: &Raw) -> Kinds {
    let of_url = |url: &Read<Option<Url>>| url.value.as_ref().and_then(|Url(text)| url::kind(text.expose()));
    let kind = |url: &Read<Option<Url>>, kind: &Read<Option<RedisType>>| {
        of_url(url).or(kind.value).unwrap_or(RedisType::Single)
    };
    let tls = |url: &Read<Option<Url>>| url.value.as_ref().is_some_and(|Url(text)| url::asks_for_tls(text.expose()));
    let second = raw.persecond.value;
    Kinds {
        main: kind(&raw.redis_url, &raw.redis_type),
        per_second: second.then(|| kind(&raw.persecond_url, &raw.persecond_type)),
        tls: raw.redis_tls.value
            || tls(&raw.redis_url)
            || (second && (raw.persecond_tls.value || tls(&raw.persecond_url))),
    }
}
