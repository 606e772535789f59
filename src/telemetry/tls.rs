//! Exports what the TLS of listeners and of clients knows. Where there is none there is nothing.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::{
    Readings,
    family::{Family, Kind},
};

/// The TLS of one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsListener {
    /// Its name.
    pub listener: &'static str,
    /// When its certificate ends.
    pub expires: SystemTime,
    /// Handshakes that went well, since the start.
    pub handshakes: u64,
    /// Handshakes that failed, by why.
    pub failures: Vec<(&'static str, u64)>,
    /// Changes of its files that were put in force.
    pub reloads: u64,
    /// Changes of its files that were refused.
    pub refused_reloads: u64,
}

/// TLS handshakes with one kind of server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsClient {
    /// What it is.
    pub server: &'static str,
    /// Handshakes that went well, since the start.
    pub handshakes: u64,
    /// Handshakes that failed, by why.
    pub failures: Vec<(&'static str, u64)>,
}

const EXPIRY: Family = Family::new(
    "tollgate_tls_certificate_expiry_timestamp_seconds",
    "When the certificate that a listener shows expires, in seconds since 1970.",
    &["listener"],
);
const RELOADS: Family = Family::new(
    "tollgate_tls_reloads_total",
    "Changes of a listener's TLS files: applied, or refused, and then the old ones stay in force.",
    &["listener", "result"],
);
const HANDSHAKES: Family =
    Family::new("tollgate_tls_handshakes_total", "TLS handshakes that went well.", &["listener"]);
const FAILURES: Family = Family::new(
    "tollgate_tls_handshake_failures_total",
    "TLS handshakes that failed, by why.",
    &["listener", "reason"],
);

const CLIENT_HANDSHAKES: Family =
    Family::new("tollgate_tls_client_handshakes_total", "TLS handshakes with servers that went well.", &["server"]);
const CLIENT_FAILURES: Family = Family::new(
    "tollgate_tls_client_handshake_failures_total",
    "TLS handshakes with servers that failed, by why.",
    &["server", "reason"],
);

const FAMILIES: [&Family; 6] = [&EXPIRY, &RELOADS, &HANDSHAKES, &FAILURES, &CLIENT_HANDSHAKES, &CLIENT_FAILURES];

/// Exports the [`Readings`] of TLS.
pub(super) struct TlsFamilies {
    readings: Arc<dyn Readings>,
    descs: Box<[Desc]>,
}

impl TlsFamilies {
    pub(super) fn new(readings: Arc<dyn Readings>) -> prometheus::Result<Self> {
        let descs = FAMILIES.map(Family::desc).into_iter().collect::<Result<_, _>>()?;
        Ok(Self { readings, descs })
    }
}

impl Collector for TlsFamilies {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    // A family without series is left out by the registry.
    fn collect(&self) -> Vec<MetricFamily> {
        let all = self.readings.tls();
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let reloads = all.iter().flat_map(|one| {
            let results = [("applied", one.reloads), ("refused", one.refused_reloads)];
            results.map(|(result, count)| (vec![one.listener, result], count))
        });
        let failures =
            all.iter().flat_map(|one| one.failures.iter().map(|(reason, count)| (vec![one.listener, reason], *count)));
        let clients = self.readings.tls_clients();
        let client_failures = clients
            .iter()
            .flat_map(|one| one.failures.iter().map(|(reason, count)| (vec![one.server, reason], *count)));
        vec![
            EXPIRY.of(Kind::Gauge, all.iter().map(|one| (vec![one.listener], seconds(one.expires)))),
            RELOADS.of(Kind::Counter, reloads),
            HANDSHAKES.of(Kind::Counter, all.iter().map(|one| (vec![one.listener], one.handshakes))),
            FAILURES.of(Kind::Counter, failures),
            CLIENT_HANDSHAKES.of(Kind::Counter, clients.iter().map(|one| (vec![one.server], one.handshakes))),
            CLIENT_FAILURES.of(Kind::Counter, client_failures),
        ]
    }
}
