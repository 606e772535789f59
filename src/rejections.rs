//! Calls that are rejected before a decision. Envoy lets such a call pass unless its filter says otherwise, so each is
//! counted by reason and, at a bounded rate, logged with its peer.

use std::{
    fmt::{self, Display},
    time::Instant,
};

use metrics::{Collect, Families, Family};

use throttle::Throttled;

const REJECTED: Family = Family::counter(
    "tollgate_rejected_calls_total",
    "Calls, streams and connections that were rejected before a decision, by API and reason.",
    &["api", "reason"],
);

/// The API through which a call arrived. Calls and rejections are counted by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Api {
    /// Everything on the gRPC port: `RateLimitService`, and rejections of health and reflection calls.
    Rls,
    /// `/json` over HTTP.
    Json,
}

impl Api {
    /// Every API.
    pub const ALL: [Self; 2] = [Self::Rls, Self::Json];

    /// The value of label `api`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rls => "rls",
            Self::Json => "json",
        }
    }

    /// The value of label `grpc_method`. `None` for an API that is not gRPC: as in the reference, the series of gRPC
    /// methods do not count its calls.
    #[must_use]
    pub const fn grpc_method(self) -> Option<&'static str> {
        match self {
            Self::Rls => Some("ShouldRateLimit"),
            Self::Json => None,
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// Why a call, a stream or a connection was rejected: the value of label `reason`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// The value of label `reason`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

reasons! {
    /// The message is longer than MAX_REQUEST_BYTES, compressed or not.
    MessageTooLarge = "message_too_large";
    /// The message, its gRPC frame or its compression cannot be decoded.
    Malformed = "malformed";
    /// The request ended before its message was complete.
    Incomplete = "incomplete";
    /// The message was incomplete when other requests needed its memory.
    OutOfMemory = "out_of_memory";
    /// The message is compressed with something other than gzip.
    Encoding = "encoding";
    /// The domain is empty.
    NoDomain = "no_domain";
    /// There are no descriptors.
    NoDescriptors = "no_descriptors";
    /// More descriptors than MAX_DESCRIPTORS.
    TooManyDescriptors = "too_many_descriptors";
    /// A descriptor with more entries than MAX_ENTRIES.
    TooManyEntries = "too_many_entries";
    /// A descriptor's limit override has an unknown unit.
    OverrideUnit = "override_unit";
    /// A descriptor refunds hits, and REFUNDS is `deny`.
    Refund = "refund";
    /// No rules were loaded yet.
    NoRules = "no_rules";
    /// An HTTP method other than POST.
    Method = "method";
    /// A content type other than gRPC's.
    ContentType = "content_type";
    /// The `grpc-timeout` cannot be parsed.
    Timeout = "timeout";
    /// The caller's deadline passed before the request was complete.
    DeadlineExceeded = "deadline_exceeded";
    /// No such service or method on this port.
    UnknownMethod = "unknown_method";
    /// The headers are longer than MAX_HEADER_LIST_BYTES.
    HeadersTooLarge = "headers_too_large";
    /// The HTTP/2 server reset the stream: its headers or frames break the protocol.
    StreamProtocol = "stream_protocol";
    /// The HTTP/2 server refused the stream: more than MAX_CONCURRENT_STREAMS.
    StreamRefused = "stream_refused";
    /// The HTTP/2 server reset the stream for another reason.
    StreamOther = "stream_other";
    /// The HTTP/2 server closed the connection for an error of the peer.
    ConnectionError = "connection_error";
    /// The service of a health or reflection call panicked.
    Panic = "panic";
    /// The HTTP/2 server closed the connection because its peer sent too many frames other than calls, or ended a
    /// long-lived stream because there were too many.
    Flood = "flood";
    /// The HTTP/2 server closed the connection because its peer stalled in the middle of a frame or of a call's
    /// headers, or read its answers too slowly.
    TooSlow = "too_slow";
    /// The peer spoke HTTP/1.
    Http1 = "http1";
    /// The peer did not send the HTTP/2 preface, or not in time.
    Preface = "preface";
    /// The TLS handshake failed.
    TlsHandshake = "tls_handshake";
}

/// Rejections since the start, by API and reason. The process has one.
#[derive(Debug, Default)]
pub struct Rejections {
    counts: [[Throttled; Reason::ALL.len()]; Api::ALL.len()],
}

impl Rejections {
    /// Counts a rejection, and logs it unless one of the same API and reason was logged within the last minute.
    /// `detail` says what is wrong; it must not contain values that a client sent.
    pub fn record(&self, api: Api, reason: Reason, peer: &dyn Display, detail: &dyn Display) {
        let Some(count) = self.counts[api as usize][reason as usize].add(Instant::now()) else { return };
        tracing::warn!(
            api = api.name(),
            reason = reason.name(),
            %peer,
            count,
            "rejected before a decision, and Envoy lets such requests pass unless failure_mode_deny is set: {detail} \
             (counted in tollgate_rejected_calls_total)"
        );
    }

    /// The same for a request that a setting (`REFUNDS` or `ON_INVALID_REQUEST`) turns into a denial.
    pub fn record_denied(&self, api: Api, reason: Reason, peer: &dyn Display, detail: &dyn Display) {
        let Some(count) = self.counts[api as usize][reason as usize].add(Instant::now()) else { return };
        let setting = if reason == Reason::Refund { "REFUNDS=deny" } else { "ON_INVALID_REQUEST=deny" };
        tracing::warn!(
            api = api.name(),
            reason = reason.name(),
            %peer,
            count,
            "denied without a decision, because {setting}: {detail} (counted in tollgate_rejected_calls_total)"
        );
    }

    /// Counts a rejection that its caller logs.
    pub fn count(&self, api: Api, reason: Reason) {
        self.counts[api as usize][reason as usize].count();
    }

    /// The number of rejections of this API and reason.
    #[must_use]
    pub fn total(&self, api: Api, reason: Reason) -> u64 {
        self.counts[api as usize][reason as usize].total()
    }

    /// Every count that is not zero, with its API and reason.
    pub fn totals(&self) -> impl Iterator<Item = (Api, Reason, u64)> + '_ {
        let pairs = Api::ALL.into_iter().flat_map(|api| Reason::ALL.into_iter().map(move |reason| (api, reason)));
        pairs.map(|(api, reason)| (api, reason, self.total(api, reason))).filter(|(_, _, total)| *total > 0)
    }
}

impl Collect for Rejections {
    fn collect(&self, families: &mut Families) {
        for (api, reason, total) in self.totals() {
            families.add(&REJECTED, &[api.name(), reason.name()], total);
        }
    }
}

/// The far end of a connection, for logs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PeerName {
    /// The address of a TCP peer.
    Tcp(std::net::SocketAddr),
    /// A client of the Unix socket, which has no address.
    Unix,
    /// The operating system did not report an address.
    Unknown,
}

impl Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix socket"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_documented() {
        let page = include_str!("../docs/metrics.md");
        let rows: String = page.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next()).collect();
        let missing: Vec<_> = Reason::ALL.map(Reason::name).into_iter().filter(|name| !rows.contains(name)).collect();
        assert!(missing.is_empty(), "not in docs/metrics.md: {missing:?}");
    }

    #[test]
    fn counts_are_kept_apart() {
        let rejections = Rejections::default();
        for (api, reason) in
            [(Api::Rls, Reason::Malformed), (Api::Json, Reason::Malformed), (Api::Rls, Reason::Malformed)]
        {
            rejections.record(api, reason, &PeerName::Unknown, &"test");
        }
        rejections.record_denied(Api::Json, Reason::Refund, &PeerName::Unknown, &"test");
        (0..2).for_each(|_| rejections.count(Api::Json, Reason::Refund));
        assert_eq!(
            metrics::series(&rejections),
            [
                r#"tollgate_rejected_calls_total{api="json",reason="malformed"} 1"#,
                r#"tollgate_rejected_calls_total{api="json",reason="refund"} 3"#,
                r#"tollgate_rejected_calls_total{api="rls",reason="malformed"} 2"#,
            ]
        );
    }
}
