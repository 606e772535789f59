//! What was asked for and has no effect.

use super::redis::RedisTopology;
use super::table::{Effect, Group, Variable};
use super::types::{Backend, RulesSource};
use super::variables::{FAMILIES, Raw};

const FROM_XDS: &str = "CONFIG_TYPE is GRPC_XDS_SOTW";

/// One sentence for each reason why something that was asked for has no effect. `names` are those of the whole
/// environment that are not empty.
pub(super) fn warnings(
    raw: &Raw,
    asked: &[Variable],
    names: &[String],
    backend: &Backend,
    source: &RulesSource,
) -> Vec<String> {
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
            Effect::Works | Effect::Ours if variable.group == Group::Xds => idle_xds(variable.name, source),
            Effect::Works | Effect::Ours => None,
        };
        if let Some(reason) = reason {
            add(reason, variable.name.to_owned());
        }
    }
    for family in FAMILIES {
        for name in names.iter().filter(|name| name.starts_with(family.prefix)) {
            add(family.reason, name.clone());
        }
    }
    let with_redis = matches!(backend, Backend::Redis(_));
    let with_xds = matches!(source, RulesSource::Xds(_));
    let replaced = [
        (raw.grpc_uds.value.is_some(), "GRPC_UDS replaces it", vec![&raw.grpc_host.given, &raw.grpc_port.given]),
        (!raw.use_prometheus.value, "USE_PROMETHEUS is false", vec![&raw.prometheus_addr.given]),
        (with_xds, FROM_XDS, vec![&raw.rules.given]),
        // the file of defaults is polled, too
        (with_xds && raw.rule_defaults.value.is_none(), FROM_XDS, vec![&raw.rules_poll_interval.given]),
        (
            with_xds || raw.rules.value.is_some(),
            if with_xds { FROM_XDS } else { "RULES replaces the RUNTIME_ variables" },
            vec![
                &raw.runtime_root.given,
                &raw.runtime_subdirectory.given,
                &raw.runtime_app_directory.given,
                &raw.runtime_watch_root.given,
                &raw.runtime_ignore_dot_files.given,
            ],
        ),
        (!with_redis, "the memory store does not fail", vec![&raw.replicas.given]),
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

/// Why this variable of xDS does nothing, if so.
fn idle_xds(name: &str, source: &RulesSource) -> Option<&'static str> {
    let RulesSource::Xds(xds) = source else { return Some("CONFIG_TYPE is FILE") };
    let of_tls = name.contains("_CLIENT_TLS_") || name.contains("_SERVER_TLS_");
    (of_tls && xds.tls.is_none()).then_some("CONFIG_GRPC_XDS_SERVER_USE_TLS is false")
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
