//! The types of the Redis variables' values, each parsed by itself.

use std::time::Duration;

use super::url;
use crate::settings::go;
use crate::settings::parse::{Value, words};
use crate::settings::values::UpTo;
use limiter::domain::Secret;

/// The warning about a placeholder such as `$(NAME)`, to follow the name of the variable that contains it.
pub(super) const PLACEHOLDER: &str = "contains the name of a variable, which was not replaced: Kubernetes replaces \
                                      $(NAME) only if NAME is defined before it";

/// The unparsed address of a Redis: its meaning depends on other variables. It may contain a password.
#[derive(Clone, Debug)]
pub(in crate::settings) struct Url(pub(in crate::settings) Secret);

impl Value for Url {
    const ACCEPTED: &'static str = "an address such as host:port; see redis.md for its forms";

    fn parse(text: &str) -> Option<Self> {
        Some(Self(Secret::new(text.to_owned())))
    }

    fn hint(text: &str) -> Option<&'static str> {
        url::has_placeholder(text).then_some(PLACEHOLDER)
    }

    fn show(text: &str) -> String {
        url::redacted(text)
    }
}

/// What to do when no connection is free. The variable has no effect, so only the reference's default is recognised.
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
    /// How many keys a call to Redis may carry.
    pub(in crate::settings) KeysPerCall, "auto, many or one, in any case", Auto = "auto", Many = "many", One = "one"
);

/// A fraction above 0 and at most 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(in crate::settings) struct Share(pub(in crate::settings) f64);

impl Value for Share {
    const ACCEPTED: &'static str = "a number above 0, at most 1";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|share: &f64| *share > 0.0 && *share <= 1.0).map(Self)
    }
}

/// A bounded time, from 1 ms to 1 h.
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

/// The deadline of a connection attempt and of a call. There is always one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settings) struct CallTimeout(pub(in crate::settings) Duration);

impl Value for CallTimeout {
    const ACCEPTED: &'static str = Timeout::ACCEPTED;

    fn parse(text: &str) -> Option<Self> {
        Timeout::parse(text).map(|Timeout(timeout)| Self(timeout))
    }

    fn substitute(text: &str) -> Option<(Self, &'static str)> {
        let (negative, timeout) = go::signed_duration(text)?;
        let (millis, note) = if negative || timeout.is_zero() {
            (100, "is taken as 100ms: calls to Redis always have a deadline")
        } else if timeout < Duration::from_secs(1) {
            (1, "is taken as 1ms, the shortest deadline")
        } else {
            (3_600_000, "is taken as 1h, the longest deadline")
        };
        Some((Self(Duration::from_millis(millis)), note))
    }
}

/// The number of connections. Each costs a file descriptor at both ends, and some memory.
pub(in crate::settings) type PoolSize = UpTo<10_000>;

impl Value for PoolSize {
    const ACCEPTED: &'static str = "a whole number from 1 to 10000";

    fn parse(text: &str) -> Option<Self> {
        Self::new(go::integer(text)?.try_into().ok()?)
    }

    fn substitute(text: &str) -> Option<(Self, &'static str)> {
        let (size, note) = match go::integer(text)? {
            0 => (4, "is taken as 4, the default of the reference's Redis client"),
            10_001.. => (10_000, "is taken as 10000, the largest pool"),
            _ => return None,
        };
        Some((Self::new(size)?, note))
    }
}

/// The number of waiting checks. Each costs about a kilobyte.
pub(in crate::settings) type MaxPending = UpTo<1_000_000>;

impl Value for MaxPending {
    const ACCEPTED: &'static str = "a whole number from 1 to 1000000";

    fn parse(text: &str) -> Option<Self> {
        Self::new(go::integer(text)?.try_into().ok()?)
    }
}

/// The smallest cache, in bytes: the reference's minimum. A much smaller one would hold next to nothing.
const MIN_CACHE: usize = 512 << 10;

/// The size of the deny cache in bytes; 0: no cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settings) struct CacheBytes(pub(in crate::settings) usize);

impl Value for CacheBytes {
    const ACCEPTED: &'static str = "a number of bytes from 524288 to 17179869184, or 0";

    fn parse(text: &str) -> Option<Self> {
        let bytes = usize::try_from(go::integer(text)?).ok()?;
        (bytes == 0 || (MIN_CACHE..=16 << 30).contains(&bytes)).then_some(Self(bytes))
    }

    fn substitute(text: &str) -> Option<(Self, &'static str)> {
        let is_small = usize::try_from(go::integer(text)?).map_or(true, |bytes| bytes < MIN_CACHE);
        is_small.then_some((Self(MIN_CACHE), "is taken as 524288 (512 KiB), the smallest cache, as in the reference"))
    }

    fn is_off(&self) -> bool {
        self.0 == 0
    }
}

/// In seconds.
const YEAR: u32 = 31_536_000;

/// The most by which the expiry of a counter is delayed at random, in seconds: at most a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settings) struct JitterSeconds(pub(in crate::settings) u32);

impl Value for JitterSeconds {
    const ACCEPTED: &'static str = "a whole number from 0 to 31536000";

    fn parse(text: &str) -> Option<Self> {
        go::integer(text)?.try_into().ok().filter(|&seconds| seconds <= YEAR).map(Self)
    }

    fn substitute(text: &str) -> Option<(Self, &'static str)> {
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
