//! The Redis backend, from its variables. `docs/redis.md` describes them.
//!
//! In a program that is built without Redis the variables are read all the same: what cannot be read is a fault.

mod auth;
#[cfg(feature = "redis")]
mod config;
#[cfg(feature = "redis")]
mod endpoint;
mod login;
#[cfg(all(test, feature = "redis"))]
mod tests;
mod url;
mod values;

use super::table::Read;
use super::variables::Raw;
pub(super) use auth::Auth;
#[cfg(feature = "redis")]
pub(super) use config::config;
pub(super) use values::{
    CacheBytes, CallTimeout, JitterSeconds, KeysPerCall, MaxPending, PoolOnEmpty, PoolSize, RedisType, Share,
    SocketType, Timeout, Url,
};

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
