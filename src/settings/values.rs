//! Small types whose values are always valid.

use std::num::NonZeroUsize;

use rustls::pki_types::ServerName;

use super::go;

/// The fraction of a limit above which a hit counts as near the limit: finite, not negative.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) struct NearLimitRatio(f32);

impl NearLimitRatio {
    #[expect(clippy::cast_possible_truncation, reason = "a number too large for f32 becomes infinite and is rejected")]
    pub(super) fn parse(text: &str) -> Option<Self> {
        go::number(text).map(|ratio| ratio as f32).filter(|ratio| ratio.is_finite() && *ratio >= 0.0).map(Self)
    }

    /// The fraction: finite, not negative.
    pub(super) fn get(self) -> f32 {
        self.0
    }
}

/// A count from 1 to `MAX`: what costs memory is bounded, so that a typo does not take the machine down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UpTo<const MAX: usize>(NonZeroUsize);

/// The number of threads that answer requests. Each costs about a megabyte and a few file descriptors.
pub(super) type Workers = UpTo<1024>;

/// The number of counters in memory. Each costs about 130 bytes once it is used.
pub(super) type MaxCounters = UpTo<1_000_000_000>;

/// The size of a header list, in bytes. A connection may buffer as much; the maximum is grpc-go's default.
pub(super) type HeaderListBytes = UpTo<{ 16 << 20 }>;

impl<const MAX: usize> UpTo<MAX> {
    pub(super) fn new(count: usize) -> Option<Self> {
        NonZeroUsize::new(count).filter(|count| count.get() <= MAX).map(Self)
    }

    pub(super) fn get(self) -> NonZeroUsize {
        self.0
    }
}

/// The path of an HTTP page: begins with a slash, has no query, and needs no escaping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HttpPath(String);

impl HttpPath {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        (text.starts_with('/') && text.bytes().all(plain)).then(|| Self(text.to_owned()))
    }

    /// The path, with its leading slash.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// The name that a peer's certificate must be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct San(ServerName<'static>);

impl San {
    pub(super) fn parse(text: &str) -> Option<Self> {
        ServerName::try_from(text).ok().map(|name| Self(name.to_owned()))
    }

    pub(super) fn into_name(self) -> ServerName<'static> {
        self.0
    }
}
