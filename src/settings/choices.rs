//! Values that are one of a few words.

use tracing::level_filters::LevelFilter;

use super::parse::{Value, words};
use crate::server::Http2;
use crate::telemetry::logging::Format;
use limiter::domain::FailureMode;

impl Value for LevelFilter {
    const ACCEPTED: &'static str = "trace, debug, info, warn, warning, error, fatal or panic, in any case";

    fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "trace" => Self::TRACE,
            "debug" => Self::DEBUG,
            "info" => Self::INFO,
            "warn" | "warning" => Self::WARN,
            "error" | "fatal" | "panic" => Self::ERROR,
            _ => return None,
        })
    }
}

impl Value for Format {
    const ACCEPTED: &'static str = "json, in any case; anything else is text";

    fn parse(text: &str) -> Option<Self> {
        Some(if text.eq_ignore_ascii_case("json") { Self::Json } else { Self::Text })
    }
}

impl Value for FailureMode {
    const ACCEPTED: &'static str = "error, allow, deny or local, in any case";

    fn parse(text: &str) -> Option<Self> {
        Self::from_name(&text.to_ascii_lowercase())
    }
}

impl Value for Http2 {
    const ACCEPTED: &'static str = "tollgate or hyper, in any case";

    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "tollgate" => Some(Self::Wire),
            "hyper" => Some(Self::Hyper),
            _ => None,
        }
    }
}

words!(
    /// The store that keeps the counters.
    pub(super) BackendType, "memory, redis or memcache, in any case",
    Memory = "memory", Redis = "redis", Memcache = "memcache"
);
words!(
    /// The answer to a request that cannot be decided: an error with the reason, or a denial.
    pub(super) OnInvalidRequest, "error or deny, in any case", Error = "error", Deny = "deny"
);
words!(
    /// How a request that refunds hits is treated: the counter is reduced, or the request is denied and charges
    /// nothing.
    pub(super) Refunds, "allow or deny, in any case", Allow = "allow", Deny = "deny"
);
words!(
    /// The source of the rules.
    pub(super) ConfigType, "FILE or GRPC_XDS_SOTW, in any case", File = "file", Xds = "grpc_xds_sotw"
);
