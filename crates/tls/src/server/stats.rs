//! Metrics of one listener's TLS, updated for each handshake and each reload.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::UNIX_EPOCH,
};

use metrics::{Collect, Families, Family};

use super::ServerTls;
use crate::{Reason, tally::Tally};

const EXPIRY: Family = Family::gauge(
    "tollgate_tls_certificate_expiry_timestamp_seconds",
    "Expiry of the certificate that a listener presents, in seconds since 1970.",
    &["listener"],
);
const RELOADS: Family = Family::counter(
    "tollgate_tls_reloads_total",
    "Changes of a listener's TLS files: applied, or refused, which leaves the old files active.",
    &["listener", "result"],
);
const HANDSHAKES: Family =
    Family::counter("tollgate_tls_handshakes_total", "TLS handshakes that succeeded.", &["listener"]);
const FAILURES: Family = Family::counter(
    "tollgate_tls_handshake_failures_total",
    "TLS handshakes that failed, by reason.",
    &["listener", "reason"],
);

/// The counters behind [`Counts`].
#[derive(Debug, Default)]
pub(super) struct Stats {
    pub(super) tally: Tally,
    applied: AtomicU64,
    refused: AtomicU64,
}

impl Stats {
    pub(super) fn applied(&self) {
        self.applied.fetch_add(1, Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(super) fn reading(&self) -> Counts {
        Counts {
            handshakes: self.tally.handshakes(),
            failures: Reason::OF_LISTENERS.map(|reason| (reason, self.tally.failures(reason))),
            reloads: self.applied.load(Relaxed),
            refused_reloads: self.refused.load(Relaxed),
        }
    }
}

/// The counts of one listener's TLS since the start: a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Handshakes that succeeded.
    pub handshakes: u64,
    /// Handshakes that failed, by reason.
    pub failures: [(Reason, u64); Reason::OF_LISTENERS.len()],
    /// Changes of files that were applied.
    pub reloads: u64,
    /// Changes of files that were refused, which left the old files active.
    pub refused_reloads: u64,
}

impl Collect for ServerTls {
    fn collect(&self, families: &mut Families) {
        let expires = self.validity().not_after.duration_since(UNIX_EPOCH).unwrap_or_default();
        families.add(&EXPIRY, &[self.listener()], expires.as_secs());
        self.counts().collect_of(self.listener(), families);
    }
}

impl Counts {
    fn collect_of(&self, listener: &str, families: &mut Families) {
        let Self { handshakes, failures, reloads, refused_reloads } = *self;
        families.add(&RELOADS, &[listener, "applied"], reloads);
        families.add(&RELOADS, &[listener, "refused"], refused_reloads);
        families.add(&HANDSHAKES, &[listener], handshakes);
        for (reason, count) in failures {
            families.add(&FAILURES, &[listener, reason.name()], count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Grpc(Stats);

    impl Collect for Grpc {
        fn collect(&self, families: &mut Families) {
            self.0.reading().collect_of("grpc", families);
        }
    }

    #[test]
    fn each_family_shows_its_own_number() {
        let stats = Stats::default();
        for (times, reason) in (1..).zip(Reason::OF_LISTENERS) {
            (0..times).for_each(|_| stats.tally.failed_quietly(reason));
        }
        (0..10).for_each(|_| stats.tally.finished());
        (0..11).for_each(|_| stats.applied());
        (0..12).for_each(|_| stats.refused());
        assert_eq!(
            metrics::series(&Grpc(stats)),
            [
                r#"tollgate_tls_handshake_failures_total{listener="grpc",reason="certificate_expired"} 7"#,
                r#"tollgate_tls_handshake_failures_total{listener="grpc",reason="certificate_missing"} 5"#,
                r#"tollgate_tls_handshake_failures_total{listener="grpc",reason="certificate_name"} 8"#,
                r#"tollgate_tls_handshake_failures_total{listener="grpc",reason="certificate_untrusted"} 6"#,
                r#"tollgate_tls_handshake_failures_total{listener="grpc",reason="closed"} 2"#,
                r#"tollgate_tls_handshake_failures_total{listener="grpc",reason="not_tls"} 3"#,
                r#"tollgate_tls_handshake_failures_total{listener="grpc",reason="protocol"} 4"#,
                r#"tollgate_tls_handshake_failures_total{listener="grpc",reason="refused_by_client"} 9"#,
                r#"tollgate_tls_handshake_failures_total{listener="grpc",reason="timeout"} 1"#,
                r#"tollgate_tls_handshakes_total{listener="grpc"} 10"#,
                r#"tollgate_tls_reloads_total{listener="grpc",result="applied"} 11"#,
                r#"tollgate_tls_reloads_total{listener="grpc",result="refused"} 12"#,
            ]
        );
    }
}
