//! How the text of Redis's variables becomes values, each by itself.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::types::RedisCredentials;
use super::url;
use crate::domain::Secret;
use crate::settings::go;
use crate::settings::parse::{HIDDEN, Value, words};
use crate::settings::values::UpTo;

/// `password` or `user:password`; may be empty, for none, and is never printed.
#[derive(Clone, Debug)]
pub(in crate::settings) struct Auth(pub(super) RedisCredentials);

impl Value for Auth {
    const ACCEPTED: &'static str = "`password` or `user:password`, with a password of one character or more";

    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self(RedisCredentials::None));
        }
        let (user, password) = text.split_once(':').unwrap_or(("", text));
        let user = (!user.is_empty()).then(|| user.to_owned());
        (!password.is_empty())
            .then(|| Self(RedisCredentials::Fixed { user, password: Secret::new(password.to_owned()) }))
    }

    fn show(_: &str) -> String {
        HIDDEN.to_owned()
    }

    fn is_off(&self) -> bool {
        self.0 == RedisCredentials::None
    }
}

/// The address of a Redis as it was written. What it means depends on other variables, and it may hold a password.
#[derive(Clone, Debug)]
pub(in crate::settings) struct Url(pub(super) Secret);

impl Value for Url {
    const ACCEPTED: &'static str = "an address such as host:port; see redis.md for its forms";

    fn parse(text: &str) -> Option<Self> {
        Some(Self(Secret::new(text.to_owned())))
    }

    fn show(text: &str) -> String {
        url::redacted(text)
    }
}

/// What to do when no connection is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settings) enum PoolOnEmpty {
    Wait,
    Other,
}

impl Value for PoolOnEmpty {
    const ACCEPTED: &'static str = "WAIT, CREATE or ERROR, in any case";

    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "wait" => Some(Self::Wait),
            "create" | "error" => Some(Self::Other),
            _ => None,
        }
    }

    fn is_off(&self) -> bool {
        *self == Self::Wait
    }
}

words!(
    /// How Redis is set up.
    pub(in crate::settings) RedisType, "SINGLE, SENTINEL or CLUSTER, in any case",
    Single = "single", Sentinel = "sentinel", Cluster = "cluster"
);
words!(
    /// How Redis is reached.
    pub(in crate::settings) SocketType, "tcp or unix, in any case", Tcp = "tcp", Unix = "unix"
);

words!(
    /// How many keys a call may carry.
    pub(in crate::settings) KeysPerCall, "auto, many or one, in any case", Auto = "auto", Many = "many", One = "one"
);

/// How long Redis may take. Nothing waits for it without bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settings) struct Timeout(pub(super) Duration);

impl Value for Timeout {
    const ACCEPTED: &'static str = "a duration from 1ms to 1h, such as 100ms";

    fn parse(text: &str) -> Option<Self> {
        go::duration(text)
            .filter(|timeout| (Duration::from_millis(1)..=Duration::from_secs(3600)).contains(timeout))
            .map(Self)
    }
}

/// Connections: each costs a file descriptor here and there, and some memory.
pub(in crate::settings) type PoolSize = UpTo<10_000>;

impl Value for PoolSize {
    const ACCEPTED: &'static str = "a whole number from 1 to 10000";

    fn parse(text: &str) -> Option<Self> {
        Self::new(go::integer(text)?.try_into().ok()?)
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

/// The size of the deny cache; 0: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settings) struct CacheBytes(pub(super) usize);

impl Value for CacheBytes {
    const ACCEPTED: &'static str = "a number of bytes from 0 to 17179869184";

    fn parse(text: &str) -> Option<Self> {
        let bytes = u64::try_from(go::integer(text)?).ok().filter(|&bytes| bytes <= 16 << 30)?;
        bytes.try_into().ok().map(Self)
    }

    fn is_off(&self) -> bool {
        self.0 == 0
    }
}

impl CacheBytes {
    pub(super) fn size(self) -> Option<NonZeroUsize> {
        NonZeroUsize::new(self.0)
    }
}

/// By how much the expiry of counters is spread, in seconds: at most a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settings) struct JitterSeconds(u32);

impl Value for JitterSeconds {
    const ACCEPTED: &'static str = "a whole number from 0 to 31536000";

    fn parse(text: &str) -> Option<Self> {
        go::integer(text)?.try_into().ok().filter(|&seconds| seconds <= 31_536_000).map(Self)
    }

    fn is_off(&self) -> bool {
        self.0 == 0
    }
}

impl JitterSeconds {
    pub(super) fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}
