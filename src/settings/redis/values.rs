//! How the text of Redis's variables becomes values, each by itself.

use std::time::Duration;

use super::url;
use crate::settings::go;
use crate::settings::parse::{Value, words};
use crate::settings::values::UpTo;
use limiter::domain::Secret;

/// What to say of the name of a variable where its value is wanted, to follow the variable that has it.
pub(super) const UNREPLACED: &str =
    "has the name of a variable, which nothing has replaced: Kubernetes replaces $(NAME) where NAME stands before";

/// The address of a Redis as it was written. What it means depends on other variables, and it may hold a password.
#[derive(Clone, Debug)]
pub(in crate::settings) struct Url(pub(in crate::settings) Secret);

impl Value for Url {
    const ACCEPTED: &'static str = "an address such as host:port; see redis.md for its forms";

    fn parse(text: &str) -> Option<Self> {
        Some(Self(Secret::new(text.to_owned())))
    }

    fn hint(text: &str) -> Option<&'static str> {
        url::is_unreplaced(text).then_some(UNREPLACED)
    }

    fn show(text: &str) -> String {
        url::redacted(text)
    }
}

/// What to do when no connection is free. What does nothing is not read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settings) struct PoolOnEmpty {
    waits: bool,
}

impl Value for PoolOnEmpty {
    const ACCEPTED: &'static str = "WAIT";

    fn parse(text: &str) -> Option<Self> {
        Some(Self { waits: text.eq_ignore_ascii_case("wait") })
    }

    fn is_off(&self) -> bool {
        self.waits
    }
}

words!(
    /// How many keys a call may carry.
    pub(in crate::settings) KeysPerCall, "auto, many or one, in any case", Auto = "auto", Many = "many", One = "one"
);

/// A share of a whole: more than 0, at most 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(in crate::settings) struct Share(pub(in crate::settings) f64);

impl Value for Share {
    const ACCEPTED: &'static str = "a number above 0, at most 1";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|share: &f64| *share > 0.0 && *share <= 1.0).map(Self)
    }
}

/// How long Redis may take. Nothing waits for it without bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settings) struct Timeout(pub(in crate::settings) Duration);

impl Value for Timeout {
    const ACCEPTED: &'static str = "a duration from 1ms to 1h, such as 100ms";

    fn parse(text: &str) -> Option<Self> {
        go::duration(text)
            .filter(|timeout| (Duration::from_millis(1)..=Duration::from_secs(3600)).contains(timeout))
            .map(Self)
    }
}

/// The deadline of a connection and of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settings) struct CallTimeout(pub(in crate::settings) Duration);

impl Value for CallTimeout {
    const ACCEPTED: &'static str = Timeout::ACCEPTED;

    fn parse(text: &str) -> Option<Self> {
        Timeout::parse(text).map(|Timeout(timeout)| Self(timeout))
    }

    fn instead(text: &str) -> Option<(Self, &'static str)> {
        let (negative, timeout) = go::signed_duration(text)?;
        let (millis, note) = if negative || timeout.is_zero() {
            (100, "is taken as 100ms: nothing waits for Redis without a deadline")
        } else if timeout < Duration::from_secs(1) {
            (1, "is taken as 1ms, the shortest deadline")
        } else {
            (3_600_000, "is taken as 1h, the longest deadline")
        };
        Some((Self(Duration::from_millis(millis)), note))
    }
}

/// Connections: each costs a file descriptor here and there, and some memory.
pub(in crate::settings) type PoolSize = UpTo<10_000>;

impl Value for PoolSize {
    const ACCEPTED: &'static str = "a whole number from 1 to 10000";

    fn parse(text: &str) -> Option<Self> {
        Self::new(go::integer(text)?.try_into().ok()?)
    }

    fn instead(text: &str) -> Option<(Self, &'static str)> {
        let (size, note) = match go::integer(text)? {
            0 => (4, "is taken as 4, which is the default of the reference's Redis client"),
            10_001.. => (10_000, "is taken as 10000, the largest pool"),
            _ => return None,
        };
        Some((Self::new(size)?, note))
    }
}

/// Checks that wait: each costs about a kilobyte.
pub(in crate::settings) type MaxPending = UpTo<1_000_000>;

impl Value for MaxPending {
    const ACCEPTED: &'static str = "a whole number from 1 to 1000000";

    fn parse(text: &str) -> Option<Self> {
        Self::new(go::integer(text)?.try_into().ok()?)
    }
}

/// What the reference's cache has at least. A cache that is much smaller holds next to nothing.
const LEAST_CACHE: usize = 512 << 10;

/// The size of the deny cache; 0: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settings) struct CacheBytes(pub(in crate::settings) usize);

impl Value for CacheBytes {
    const ACCEPTED: &'static str = "a number of bytes from 524288 to 17179869184, or 0";

    fn parse(text: &str) -> Option<Self> {
        let bytes = usize::try_from(go::integer(text)?).ok()?;
        (bytes == 0 || (LEAST_CACHE..=16 << 30).contains(&bytes)).then_some(Self(bytes))
    }

    fn instead(text: &str) -> Option<(Self, &'static str)> {
        let is_small = usize::try_from(go::integer(text)?).map_or(true, |bytes| bytes < LEAST_CACHE);
        is_small
            .then_some((Self(LEAST_CACHE), "is taken as 524288 (512 KiB), which the reference's cache has at least"))
    }

    fn is_off(&self) -> bool {
        self.0 == 0
    }
}

const YEAR: u32 = 31_536_000;

/// By how much the expiry of counters is spread, in seconds: at most a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settings) struct JitterSeconds(pub(in crate::settings) u32);

impl Value for JitterSeconds {
    const ACCEPTED: &'static str = "a whole number from 0 to 31536000";

    fn parse(text: &str) -> Option<Self> {
        go::integer(text)?.try_into().ok().filter(|&seconds| seconds <= YEAR).map(Self)
    }

    fn instead(text: &str) -> Option<(Self, &'static str)> {
        Some(if go::integer(text)? < 0 {
            (Self(0), "is taken as 0: all counters of a window expire at once")
        } else {
            (Self(YEAR), "is taken as 31536000, a year")
        })
    }

    fn is_off(&self) -> bool {
        self.0 == 0
    }
}
