//! The kinds of Redis that the variables select.

use super::redis::{RedisType, Url, url};
use super::table::Read;
use super::variables::Raw;

/// The kind of each Redis, by the scheme of its URL, else by its type variable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kinds {
    pub(super) main: RedisType,
    pub(super) per_second: Option<RedisType>,
    /// At least one of them is connected to over TLS.
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
