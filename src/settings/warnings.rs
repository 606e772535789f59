//! What was asked for and has no effect.

use super::redis::RedisTopology;
use super::table::{Effect, Group, Variable};
use super::types::Backend;
use super::variables::Raw;

/// One sentence for each reason why something that was asked for has no effect.
pub(super) fn warnings(raw: &Raw, asked: &[Variable], backend: &Backend) -> Vec<String> {
    let mut reasons: Vec<(&'static str, Vec<String>)> = Vec::new();
    let mut add = |reason: &'static str, what: String| match reasons.iter_mut().find(|(known, _)| *known == reason) {
        Some((_, all)) => all.push(what),
        None => reasons.push((reason, vec![what])),
    };
    for variable in asked {
        let reason = match variable.effect {
            Effect::NoEffect(reason) => Some(reason),
            Effect::Later(feature) => Some(feature.off()),
            Effect::Works | Effect::Ours if variable.group == Group::Tls => idle_tls(variable.name, raw),
            Effect::Works | Effect::Ours if variable.group == Group::Redis => idle_redis(variable.name, raw, backend),
            Effect::Works | Effect::Ours => None,
        };
        if let Some(reason) = reason {
            add(reason, variable.name.to_owned());
        }
    }
    let with_redis = matches!(backend, Backend::Redis(_));
    let replaced = [
        (raw.grpc_uds.value.is_some(), "GRPC_UDS replaces it", vec![&raw.grpc_host.given, &raw.grpc_port.given]),
        (!raw.use_prometheus.value, "USE_PROMETHEUS is false", vec![&raw.prometheus_addr.given]),
        (
            raw.rules.value.is_some(),
            "RULES replaces the RUNTIME_ variables",
            vec![
                &raw.runtime_root.given,
                &raw.runtime_subdirectory.given,
                &raw.runtime_app_directory.given,
                &raw.runtime_watch_root.given,
                &raw.runtime_ignore_dot_files.given,
            ],
        ),
        (!with_redis, "the memory store does not fail", vec![&raw.failure_mode.given, &raw.replicas.given]),
    ];
    for (is_replaced, reason, all) in replaced {
        for given in all.into_iter().flatten().filter(|_| is_replaced) {
            add(reason, given.place.to_string());
        }
    }
    reasons.into_iter().map(|(reason, all)| format!("no effect: {}: {reason}", all.join(", "))).collect()
}

/// Why this variable of TLS does nothing, if so.
fn idle_tls(name: &str, raw: &Raw) -> Option<&'static str> {
    if name.starts_with("GRPC_") {
        return (!raw.grpc_server_use_tls.value).then_some("GRPC_SERVER_USE_TLS is false");
    }
    (name.starts_with("PROMETHEUS_") && !raw.use_prometheus.value).then_some("USE_PROMETHEUS is false")
}

/// Why this variable of Redis does nothing, if so.
fn idle_redis(name: &str, raw: &Raw, backend: &Backend) -> Option<&'static str> {
    let Backend::Redis(redis) = backend else { return Some("the backend is memory") };
    let is_persecond = name.starts_with("REDIS_PERSECOND_");
    if is_persecond && !raw.persecond.value {
        return Some("REDIS_PERSECOND is false");
    }
    let endpoints = [Some(&redis.main), redis.per_second.as_ref()];
    let mut own = endpoints.into_iter().flatten().skip(usize::from(is_persecond));
    if name.starts_with("BREAKER_") && !raw.breaker.value {
        return Some("BREAKER is false");
    }
    if name.contains("_SENTINEL_AUTH") {
        let sentinel = own.next().is_some_and(|one| matches!(one.topology, RedisTopology::Sentinel { .. }));
        return (!sentinel).then_some("that Redis is not found through sentinels");
    }
    if name.starts_with("REDIS_TLS_") && endpoints.into_iter().flatten().all(|one| one.tls.is_none()) {
        return Some("Redis is not reached over TLS");
    }
    None
}
