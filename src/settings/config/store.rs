//! Where the counters are, from the variables that say so.

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

#[cfg(feature = "redis")]
/// The size of the deny cache where nothing is said.
const DENY_CACHE_BYTES: NonZeroUsize = NonZeroUsize::new(4 << 20).expect("four MiB is more than nothing");

/// `None` if that cannot be told, and then there is a problem. `workers`: how many the service has.
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
            let text = "REDIS_URL is empty, as where a template lost its value: counters are in this process, so each \
                        replica has the whole of each limit; give it an address, or set BACKEND_TYPE=memory";
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
    problems.push(Problem::NotBuilt { place: asks.place, value: asks.shown.clone(), feature: "the Redis backend" });
    None
}

/// What says that the counters are in Redis.
pub(in crate::settings) fn asks_for_redis(raw: &Raw) -> Option<&Given> {
    match (raw.backend_type.value, &raw.backend_type.given) {
        (Some(BackendType::Redis), given) => given.as_ref(),
        (_, Some(_)) => None,
        // As in the reference, where Redis is the default: a Redis that is named is used.
        (_, None) => {
            // One that cannot be read asks for it too: the fault is to end the start, not to count in memory.
            let (url, kind) = (raw.redis_url.given.as_ref(), raw.redis_type.given.as_ref());
            url.or(kind).or(raw.redis_socket_type.given.as_ref())
        }
    }
}

/// What says where the counters are. Without values, for a URL may hold a password.
pub(super) fn because(raw: &Raw) -> String {
    match (asks_for_redis(raw), &raw.backend_type.given) {
        (Some(given), _) if given.place.variable != "BACKEND_TYPE" => format!("{} is set", given.place),
        (_, Some(given)) => given.to_string(),
        _ => "BACKEND_TYPE, REDIS_URL, REDIS_TYPE and REDIS_SOCKET_TYPE are not set".to_owned(),
    }
}
