//! Counts of one listener's TLS: updated once a handshake or a reload, never once a call.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::UNIX_EPOCH,
};

use metrics::{Collect, Families, Family};

use super::ServerTls;
use crate::{Reason, tally::Tally};

const EXPIRY: Family = Family::gauge(
    "tollgate_tls_certificate_expiry_timestamp_seconds",
    "When the certificate that a listener shows expires, in seconds since 1970.",
    &["listener"],
);
const RELOADS: Family = Family::counter(
    "tollgate_tls_reloads_total",
    "Changes of a listener's TLS files: applied, or refused, and then the old ones stay in force.",
    &["listener", "result"],
);
const HANDSHAKES: Family =
    Family::counter("tollgate_tls_handshakes_total", "TLS handshakes that went well.", &["listener"]);
const FAILURES: Family = Family::counter(
    "tollgate_tls_handshake_failures_total",
    "TLS handshakes that failed, by why.",
    &["listener", "reason"],
);

/// Counts since the start.
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

/// The counts of one listener's TLS since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Handshakes that succeeded.
    pub handshakes: u64,
    /// Handshakes that failed, by reason.
    pub failures: [(Reason, u64); Reason::OF_LISTENERS.len()],
    /// Changes of files that were put in force.
    pub reloads: u64,
    /// Changes of files that were refused.
    pub refused_reloads: u64,
}

impl Collect for ServerTls {
    fn collect(&self, families: &mut Families) {
        let listener = self.listener();
        let Counts { handshakes, failures, reloads, refused_reloads } = self.counts();
        let expires = self.validity().not_after.duration_since(UNIX_EPOCH).unwrap_or_default();
        families.add(&EXPIRY, &[listener], expires.as_secs());
        families.add(&RELOADS, &[listener, "applied"], reloads);
        families.add(&RELOADS, &[listener, "refused"], refused_reloads);
        families.add(&HANDSHAKES, &[listener], handshakes);
        for (reason, count) in failures {
            families.add(&FAILURES, &[listener, reason.name()], count);
        }
    }
}
