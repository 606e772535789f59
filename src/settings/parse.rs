//! How the text of a variable becomes a value, type by type.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use super::go;
use super::values::{HeaderListBytes, HttpPath, MaxCounters, Workers};
use crate::api::HeaderName;
use crate::domain::{FailureMode, Secret};
use crate::server::Http2;
use crate::telemetry::logging::Format;

/// What is printed for a secret.
pub(super) const HIDDEN: &str = "(hidden)";

/// A type of values that a variable can have.
pub(super) trait Value: Sized {
    /// What is accepted, to follow "is not".
    const ACCEPTED: &'static str;

    /// The value of this text, which is not empty, unless an empty one is a default of the table.
    fn parse(text: &str) -> Option<Self>;

    /// What to say in place of [`Value::ACCEPTED`] of a text whose fault is known.
    fn accepted(_: &str) -> &'static str {
        Self::ACCEPTED
    }

    /// What stands in for a text that is no value, but which the reference runs with; and what to say of it, to follow
    /// the text.
    fn instead(_: &str) -> Option<(Self, &'static str)> {
        None
    }

    /// What is odd about the text of a value, to follow the variable's name.
    fn hint(_: &str) -> Option<&'static str> {
        None
    }

    /// The text as it may be printed.
    fn show(text: &str) -> String {
        text.to_owned()
    }

    /// The value of a default of the table.
    fn parse_default(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    /// True if the value asks for nothing, so that no warning is due where it has no effect.
    fn is_off(&self) -> bool {
        false
    }
}

impl<T: Value> Value for Option<T> {
    const ACCEPTED: &'static str = T::ACCEPTED;

    fn parse(text: &str) -> Option<Self> {
        T::parse(text).map(Some)
    }

    fn accepted(text: &str) -> &'static str {
        T::accepted(text)
    }

    fn instead(text: &str) -> Option<(Self, &'static str)> {
        T::instead(text).map(|(value, note)| (Some(value), note))
    }

    fn hint(text: &str) -> Option<&'static str> {
        T::hint(text)
    }

    fn parse_default(text: &str) -> Option<Self> {
        if text.is_empty() { Some(None) } else { T::parse(text).map(Some) }
    }

    fn show(text: &str) -> String {
        T::show(text)
    }

    fn is_off(&self) -> bool {
        self.as_ref().is_none_or(T::is_off)
    }
}

impl Value for bool {
    const ACCEPTED: &'static str = "true or false (or 1, t, T, TRUE, True, 0, f, F, FALSE, False)";

    fn parse(text: &str) -> Option<Self> {
        go::boolean(text)
    }

    fn is_off(&self) -> bool {
        !self
    }
}

impl Value for Duration {
    const ACCEPTED: &'static str = "a duration such as 10s, 150us, 1h30m or 0";

    fn parse(text: &str) -> Option<Self> {
        go::duration(text)
    }

    fn is_off(&self) -> bool {
        self.is_zero()
    }
}

impl Value for u16 {
    const ACCEPTED: &'static str = "a port from 0 to 65535";

    fn accepted(text: &str) -> &'static str {
        if text.starts_with("tcp://") || text.starts_with("udp://") {
            "a port from 0 to 65535; Kubernetes sets such a value where a Service has that name: say enableServiceLinks: false in \
             the pod's spec"
        } else if text.starts_with(':') {
            "a port from 0 to 65535: leave the colon out"
        } else {
            Self::ACCEPTED
        }
    }

    fn parse(text: &str) -> Option<Self> {
        go::integer(text)?.try_into().ok()
    }
}

impl Value for u64 {
    const ACCEPTED: &'static str = "a whole number, 0 or more";

    fn parse(text: &str) -> Option<Self> {
        go::integer(text)?.try_into().ok()
    }

    fn is_off(&self) -> bool {
        *self == 0
    }
}

impl Value for NonZeroUsize {
    const ACCEPTED: &'static str = "a whole number, 1 or more";

    fn parse(text: &str) -> Option<Self> {
        Self::new(go::integer(text)?.try_into().ok()?)
    }
}

impl Value for Workers {
    const ACCEPTED: &'static str = "a whole number from 1 to 1024";

    fn parse(text: &str) -> Option<Self> {
        Self::new(go::integer(text)?.try_into().ok()?)
    }
}

impl Value for MaxCounters {
    const ACCEPTED: &'static str = "a whole number from 1 to 1000000000";

    fn parse(text: &str) -> Option<Self> {
        Self::new(go::integer(text)?.try_into().ok()?)
    }
}

impl Value for HeaderListBytes {
    const ACCEPTED: &'static str = "a whole number from 1 to 16777216";

    fn parse(text: &str) -> Option<Self> {
        Self::new(go::integer(text)?.try_into().ok()?)
    }
}

impl Value for NonZeroU32 {
    const ACCEPTED: &'static str = "a whole number from 1 to 4294967295";

    fn parse(text: &str) -> Option<Self> {
        Self::new(go::integer(text)?.try_into().ok()?)
    }
}

impl Value for f64 {
    const ACCEPTED: &'static str = "a number, 0 or more";

    fn parse(text: &str) -> Option<Self> {
        go::number(text).filter(|number| number.is_finite() && *number >= 0.0)
    }
}

impl Value for String {
    const ACCEPTED: &'static str = "a text in UTF-8";

    fn parse(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn is_off(&self) -> bool {
        self.is_empty()
    }
}

impl Value for PathBuf {
    const ACCEPTED: &'static str = "a path in UTF-8";

    fn parse(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

impl Value for Secret {
    const ACCEPTED: &'static str = "a text in UTF-8";

    fn parse(text: &str) -> Option<Self> {
        Some(Self::new(text.to_owned()))
    }

    fn show(_: &str) -> String {
        HIDDEN.to_owned()
    }
}

impl Value for HeaderName {
    const ACCEPTED: &'static str = "the name of an HTTP header";

    fn parse(text: &str) -> Option<Self> {
        Self::new(text)
    }
}

impl Value for HttpPath {
    const ACCEPTED: &'static str = "a path such as /metrics, of letters, digits and / - . _ ~";

    fn parse(text: &str) -> Option<Self> {
        HttpPath::parse(text)
    }
}

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

pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(move |_| !text.trim().is_empty())
}

/// Makes an enum that is written as one of some words, in any case of letters.
macro_rules! words {
    ($(#[$doc:meta])* $visibility:vis $name:ident, $accepted:literal, $($variant:ident = $($word:literal)|+),+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $visibility enum $name { $($variant),+ }

        impl Value for $name {
            const ACCEPTED: &'static str = $accepted;

            fn parse(text: &str) -> Option<Self> {
                match text.to_ascii_lowercase().as_str() {
                    $($($word)|+ => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

pub(super) use words;

words!(
    /// Where the counters are.
    pub(super) BackendType, "memory, redis or memcache, in any case",
    Memory = "memory", Redis = "redis", Memcache = "memcache"
);
words!(
    /// The answer to a request that cannot be decided: an error that says why, or that it is over its limit.
    pub(super) OnInvalidRequest, "error or deny, in any case", Error = "error", Deny = "deny"
);
words!(
    /// What becomes of a request that gives hits back: the counter is reduced, or the request is over its limit and
    /// charges nothing.
    pub(super) Refunds, "allow or deny, in any case", Allow = "allow", Deny = "deny"
);
words!(
    /// Where the rules come from.
    pub(super) ConfigType, "FILE or GRPC_XDS_SOTW, in any case", File = "file", Xds = "grpc_xds_sotw"
);
