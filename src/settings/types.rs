//! [`Value`] for numbers, texts, paths and names.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use super::go;
use super::parse::{HIDDEN, Value};
use super::values::{HeaderListBytes, HttpPath, MaxCounters, San, Workers};
use crate::api::HeaderName;
use limiter::domain::Secret;

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
            "a port from 0 to 65535; Kubernetes sets such a value if a Service has that name: set enableServiceLinks: \
             false in the pod's spec"
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

impl Value for San {
    const ACCEPTED: &'static str = "a DNS name or an IP address";

    fn parse(text: &str) -> Option<Self> {
        San::parse(text)
    }
}
