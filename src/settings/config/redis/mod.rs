//! The configuration of the Redis store and its guards. `docs/redis.md` describes the variables.

mod endpoint;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::time::Duration;

use self::endpoint::Variables;
use super::tls::identity;
use crate::app::{GuardsConfig, RedisStoreConfig, redis_clients};
use crate::settings::error::{Origin, Problem};
use crate::settings::parse::unless_zero;
use crate::settings::table::{Given, Note, Read};
use crate::settings::variables::{Raw, TABLE};
use redis::{BreakerConfig, Endpoint, RedisConfig, Startup, Topology};
use tls::ClientFiles;

/// The configuration from the variables; `None` if this adds an error.
pub(super) fn config(
    raw: &Raw,
    guards: GuardsConfig,
    workers: NonZeroUsize,
    problems: &mut Vec<Problem>,
    notes: &mut Vec<Note>,
) -> Option<RedisStoreConfig> {
    let tls = tls(raw);
    let startup = Startup { initial: raw.redis_startup_initial.value.0, longest: raw.redis_startup_max.value.0 };
    let (clients, key_prefix) = (redis_clients(workers), raw.cache_key_prefix.value.as_str());
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
        clients,
        keys_per_call: &raw.redis_keys_per_call,
        plain_commands: raw.redis_plain_commands.value,
        timeout: &raw.redis_timeout,
        breaker,
        startup,
        key_prefix,
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
        clients,
        keys_per_call: &raw.persecond_keys_per_call,
        plain_commands: raw.persecond_plain_commands.value,
        timeout: &raw.persecond_timeout,
        breaker,
        startup,
        key_prefix,
    };
    for one in [Some(&main), raw.persecond.value.then_some(&per_second)].into_iter().flatten() {
        one.check_atomicity(&raw.stop_increment, problems);
    }
    let main = main.endpoint(problems, notes);
    let is_cluster = |one: &Endpoint| matches!(one.topology, Topology::Cluster(_));
    // A cluster hashes what is between the first pair of braces, or the whole key if that is empty.
    let has_empty_tag = |prefix: &str| prefix.split_once('{').is_some_and(|(_, rest)| rest.starts_with('}'));
    if main.as_ref().is_some_and(is_cluster) && has_empty_tag(key_prefix) {
        problems.push(Problem::Malformed {
            origin: Origin { variable: "CACHE_KEY_PREFIX", flag: None },
            value: key_prefix.to_owned(),
            accepted: "a prefix for a cluster: with {} as its first braces, the limits of one descriptor get different \
                       slots",
        });
    }
    let per_second = if raw.persecond.value { Some(per_second.endpoint(problems, notes)?) } else { None };
    Some(RedisStoreConfig {
        redis: RedisConfig {
            main: main?,
            per_second,
            max_jitter: Duration::from_secs(raw.expiration_jitter.value.0.into()),
            max_pending: raw.max_pending_checks.value.get(),
        },
        clients,
        guards,
        give_up: unless_zero(raw.redis_startup_elapsed.value.0),
        health_needs_connection: raw.redis_health.value,
    })
}

/// `None` if the longest cooldown is shorter than the first; this adds an error.
fn breaker(raw: &Raw, problems: &mut Vec<Problem>) -> Option<BreakerConfig> {
    const FIRST: &str = "BREAKER_COOLDOWN";
    const LONGEST: &str = "BREAKER_MAX_COOLDOWN";
    let (cooldown, max_cooldown) = (raw.breaker_cooldown.value.0, raw.breaker_max_cooldown.value.0);
    // the default that replaces a malformed value contradicts nothing
    let is_malformed = problems.iter().any(|problem| [FIRST, LONGEST].contains(&problem.origin().variable));
    if cooldown > max_cooldown && !is_malformed {
        let (first, longest) =
            (given_or_default(&raw.breaker_cooldown, FIRST), given_or_default(&raw.breaker_max_cooldown, LONGEST));
        let (this, other) = if raw.breaker_max_cooldown.given.is_some() { (longest, first) } else { (first, longest) };
        problems.push(Problem::Contradiction {
            origin: this.origin,
            value: this.shown,
            other: other.to_string(),
            reason: "the longest time between probes must not be shorter than the first: raise \
                     BREAKER_MAX_COOLDOWN, or lower BREAKER_COOLDOWN",
        });
        return None;
    }
    Some(BreakerConfig {
        consecutive: raw.breaker_failures.value,
        ratio: raw.breaker_ratio.value.0,
        window: raw.breaker_window.value.0,
        min_calls: raw.breaker_min_calls.value,
        cooldown,
        max_cooldown,
    })
}

/// The value of this variable as written, or its default.
fn given_or_default<T>(read: &Read<T>, name: &'static str) -> Given {
    read.given.clone().unwrap_or_else(|| {
        let row = TABLE.iter().find(|variable| variable.name == name);
        let shown = row.map(|variable| variable.default).unwrap_or_default().to_owned();
        Given { origin: Origin { variable: name, flag: None }, shown }
    })
}

/// The TLS files, which both Redis servers share, as in the reference.
fn tls(raw: &Raw) -> ClientFiles {
    ClientFiles {
        ca: raw.redis_tls_cacert.value.clone(),
        identity: identity(&raw.redis_tls_cert, &raw.redis_tls_key),
        verify_hostname: !raw.redis_tls_skip.value,
    }
}
