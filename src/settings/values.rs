//! Small values that cannot be invalid.

use std::num::NonZeroUsize;

use rustls::pki_types::ServerName;

use super::go;

/// The part of a limit past which a hit counts as near it: finite, not negative.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) struct NearLimitRatio(f32);

impl NearLimitRatio {
    #[expect(clippy::cast_possible_truncation, reason = "what is too large for it is infinite, which is refused")]
    pub(super) fn parse(text: &str) -> Option<Self> {
        go::number(text).map(|ratio| ratio as f32).filter(|ratio| ratio.is_finite() && *ratio >= 0.0).map(Self)
    }

    /// The number: finite, not negative.
    pub(super) fn get(self) -> f32 {
        self.0
    }
}

/// A count from 1 to `MAX`: what costs memory has a bound, so that a slip of the pen does not take the machine down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UpTo<const MAX: usize>(NonZeroUsize);

/// Threads that answer requests. Each costs about a megabyte and a few file descriptors.
pub(super) type Workers = UpTo<1024>;

/// Counters in memory. Each costs some 130 bytes once it is used.
pub(super) type MaxCounters = UpTo<1_000_000_000>;

/// Bytes of a header list. A connection may hold so many while they come; grpc-go's own bound is the most.
pub(super) type HeaderListBytes = UpTo<{ 16 << 20 }>;

impl<const MAX: usize> UpTo<MAX> {
    pub(super) fn new(count: usize) -> Option<Self> {
        NonZeroUsize::new(count).filter(|count| count.get() <= MAX).map(Self)
    }

    pub(super) fn get(self) -> NonZeroUsize {
        self.0
    }
}

/// The path of a page: begins with a slash, has no query, and needs no escaping.
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
