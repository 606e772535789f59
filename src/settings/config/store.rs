//! The choice of the store, and its configuration.

use std::num::NonZeroUsize;

#[cfg(feature = "redis")]
use super::redis;
#[cfg(feature = "redis")]
use crate::app::GuardsConfig;
use crate::app::StoreConfig;
use crate::settings::choices::BackendType;
use crate::settings::error::Problem;
use crate::settings::table::{Given, Note};
use crate::settings::variables::Raw;
use limiter::memory::MemoryConfig;

/// The default size of the deny cache.
#[cfg(feature = "redis")]
const DENY_CACHE_BYTES: NonZeroUsize = NonZeroUsize::new(4 << 20).expect("4 MiB is not zero");

/// The configuration of the store; `None` if this adds an error. `workers`: the number of workers. `empty`: the
/// variables that are set to an empty value.
pub(in crate::settings) fn config(
    raw: &Raw,
    workers: NonZeroUsize,
    empty: &[&str],
    problems: &mut Vec<Problem>,
    notes: &mut Vec<Note>,
) -> Option<StoreConfig> {
    let memory = MemoryConfig { max_counters: raw.max_counters.value.get() };
    let Some(asks) = asks_for_redis(raw) else {
        if empty.contains(&"REDIS_URL") && raw.backend_type.value.is_none() {
            let text = "REDIS_URL is empty, perhaps because a template had no value for it: counters are in this \
                        process, so that each replica applies the full limits; set an address, or BACKEND_TYPE=memory";
            notes.push(Note { variable: "BACKEND_TYPE", text: text.to_owned() });
        }
        return Some(StoreConfig::Memory(memory));
    };
    in_redis(raw, asks, memory, workers, problems, notes)
}

#[cfg(feature = "redis")]
fn in_redis(
    raw: &Raw,
    _: &Given,
    local: MemoryConfig,
    workers: NonZeroUsize,
    problems: &mut Vec<Problem>,
    notes: &mut Vec<Note>,
) -> Option<StoreConfig> {
    let guards = GuardsConfig {
        deny_cache_bytes: raw.local_cache_size.value.map_or(Some(DENY_CACHE_BYTES), |size| NonZeroUsize::new(size.0)),
        local,
        replicas: raw.replicas.value,
    };
    redis::config(raw, guards, workers, problems, notes).map(|redis| StoreConfig::Redis(Box::new(redis)))
}

#[cfg(not(feature = "redis"))]
fn in_redis(
    _: &Raw,
    asks: &Given,
    _: MemoryConfig,
    _: NonZeroUsize,
    problems: &mut Vec<Problem>,
    _: &mut Vec<Note>,
) -> Option<StoreConfig> {
    problems.push(Problem::NotBuilt { origin: asks.origin, value: asks.shown.clone(), feature: "the Redis backend" });
    None
}

/// The variable that selects Redis; `None` if the counters are in memory.
pub(in crate::settings) fn asks_for_redis(raw: &Raw) -> Option<&Given> {
    match (raw.backend_type.value, &raw.backend_type.given) {
        (Some(BackendType::Redis), given) => given.as_ref(),
        (_, Some(_)) => None,
        // As in the reference, whose default is Redis: an address or type of Redis selects it.
        (_, None) => {
            // A malformed one selects it too: the start must fail, not count in memory.
            let (url, kind) = (raw.redis_url.given.as_ref(), raw.redis_type.given.as_ref());
            url.or(kind).or(raw.redis_socket_type.given.as_ref())
        }
    }
}

/// Why this store was chosen, for the log. Without values, because a URL may contain a password.
pub(super) fn because(raw: &Raw) -> String {
    match (asks_for_redis(raw), &raw.backend_type.given) {
        (Some(given), _) if given.origin.variable != "BACKEND_TYPE" => format!("{} is set", given.origin),
        (_, Some(given)) => given.to_string(),
        _ => "BACKEND_TYPE, REDIS_URL, REDIS_TYPE and REDIS_SOCKET_TYPE are not set".to_owned(),
    }
}
