//! Which variables have no effect because of others, and why.

use super::choices::ConfigType;
use super::config::store::asks_for_redis;
use super::kinds::{Kinds, kinds};
use super::redis::RedisType;
use super::table::{Effect, Group, Variable};
use super::variables::Raw;

const FROM_XDS: &str = "CONFIG_TYPE is GRPC_XDS_SOTW";

/// The variables that decide whether others have an effect. If one of them cannot be parsed, that is unknown.
pub(super) const GATES: [&str; 15] = [
    "BACKEND_TYPE",
    "BREAKER",
    "CONFIG_GRPC_XDS_SERVER_USE_TLS",
    "CONFIG_TYPE",
    "GRPC_SERVER_USE_TLS",
    "LIMIT_RESPONSE_HEADERS_ENABLED",
    "REDIS_PERSECOND",
    "REDIS_PERSECOND_TLS",
    "REDIS_PERSECOND_TYPE",
    "REDIS_PERSECOND_URL",
    "REDIS_SOCKET_TYPE",
    "REDIS_TLS",
    "REDIS_TYPE",
    "REDIS_URL",
    "USE_PROMETHEUS",
];

/// Decides which variables have no effect. A variable that cannot be parsed counts as set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inactive<'a> {
    raw: &'a Raw,
    /// `None`: the backend is not Redis.
    redis: Option<Kinds>,
    with_xds: bool,
}

impl<'a> Inactive<'a> {
    pub(super) fn of(raw: &'a Raw) -> Self {
        let redis = asks_for_redis(raw).map(|_| kinds(raw));
        Self { raw, redis, with_xds: raw.config_type.value == ConfigType::Xds }
    }

    /// Why this variable has no effect; `None` if it has one.
    pub(super) fn reason(&self, variable: &Variable) -> Option<&'static str> {
        self.unused(variable).or_else(|| self.replaced(variable.name))
    }

    /// Why nothing uses this variable. A value that requests nothing ([`Value::is_off`]) needs no warning then.
    ///
    /// [`Value::is_off`]: super::parse::Value::is_off
    pub(super) fn unused(&self, variable: &Variable) -> Option<&'static str> {
        match (variable.effect, variable.group) {
            (Effect::NoEffect(reason), _) => Some(reason),
            (Effect::Later(feature), _) => Some(feature.off()),
            (_, Group::Tls) => self.listener_tls(variable.name),
            (_, Group::Redis) => self.redis(variable.name),
            (_, Group::Xds) => self.xds(variable.name),
            (_, Group::Answers) => {
                let is_name = variable.name.starts_with("LIMIT_") && variable.name.ends_with("_HEADER");
                (is_name && !self.raw.response_headers.value).then_some("LIMIT_RESPONSE_HEADERS_ENABLED is false")
            }
            _ => None,
        }
    }

    /// What replaces this variable, whatever its value.
    pub(super) fn replaced(&self, name: &str) -> Option<&'static str> {
        let raw = self.raw;
        match name {
            "GRPC_HOST" | "GRPC_PORT" => raw.grpc_uds.given.is_some().then_some("GRPC_UDS replaces it"),
            "PROMETHEUS_ADDR" | "PROMETHEUS_PATH" => (!raw.use_prometheus.value).then_some("USE_PROMETHEUS is false"),
            "RULES" => self.with_xds.then_some(FROM_XDS),
            // the file of RULE_DEFAULTS is polled too
            "RULES_POLL_INTERVAL" => (self.with_xds && raw.rule_defaults.given.is_none()).then_some(FROM_XDS),
            "RUNTIME_ROOT"
            | "RUNTIME_SUBDIRECTORY"
            | "RUNTIME_APPDIRECTORY"
            | "RUNTIME_WATCH_ROOT"
            | "RUNTIME_IGNOREDOTFILES" => {
                let rules = raw.rules.given.is_some().then_some("RULES replaces the RUNTIME_ variables");
                if self.with_xds { Some(FROM_XDS) } else { rules }
            }
            "REPLICAS" => self.redis.is_none().then_some("the memory store does not fail"),
            _ => None,
        }
    }

    fn listener_tls(&self, name: &str) -> Option<&'static str> {
        if name == "GRPC_SERVER_USE_TLS" {
            return None;
        }
        if name.starts_with("GRPC_") {
            return (!self.raw.grpc_server_use_tls.value).then_some("GRPC_SERVER_USE_TLS is false");
        }
        (name.starts_with("PROMETHEUS_") && !self.raw.use_prometheus.value).then_some("USE_PROMETHEUS is false")
    }

    fn xds(&self, name: &str) -> Option<&'static str> {
        if !self.with_xds {
            return Some("CONFIG_TYPE is FILE");
        }
        let of_tls = name.contains("_CLIENT_TLS_") || name.contains("_SERVER_TLS_");
        if of_tls && !self.raw.xds_tls.value {
            return Some("CONFIG_GRPC_XDS_SERVER_USE_TLS is false");
        }
        match name {
            "CONFIG_GRPC_XDS_CLIENT_TLS_CERT" if self.raw.xds_tls_key.given.is_none() => {
                Some("CONFIG_GRPC_XDS_CLIENT_TLS_KEY is not set, and a client certificate needs both")
            }
            "CONFIG_GRPC_XDS_CLIENT_TLS_KEY" if self.raw.xds_tls_cert.given.is_none() => {
                Some("CONFIG_GRPC_XDS_CLIENT_TLS_CERT is not set, and a client certificate needs both")
            }
            _ => None,
        }
    }

    fn redis(&self, name: &str) -> Option<&'static str> {
        let Some(kinds) = self.redis else { return Some("the backend is memory") };
        let kind = if name.starts_with("REDIS_PERSECOND_") {
            let Some(kind) = kinds.per_second else { return Some("REDIS_PERSECOND is false") };
            kind
        } else {
            kinds.main
        };
        if name.starts_with("BREAKER_") && !self.raw.breaker.value {
            return Some("BREAKER is false");
        }
        if name.contains("_SENTINEL_AUTH") && kind != RedisType::Sentinel {
            return Some("that Redis is not found through Sentinel");
        }
        if name.ends_with("_SOCKET_TYPE") && kind != RedisType::Single {
            return Some("sentinels and cluster nodes are always reached over TCP");
        }
        if name.starts_with("REDIS_TLS_") && !kinds.tls {
            return Some("connections to Redis have no TLS");
        }
        match name {
            "REDIS_TLS_CLIENT_CERT" if self.raw.redis_tls_key.given.is_none() => {
                Some("REDIS_TLS_CLIENT_KEY is not set, and a client certificate needs both")
            }
            "REDIS_TLS_CLIENT_KEY" if self.raw.redis_tls_cert.given.is_none() => {
                Some("REDIS_TLS_CLIENT_CERT is not set, and a client certificate needs both")
            }
            _ => None,
        }
    }
}
