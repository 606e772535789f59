//! Statistics of the xDS source, which scrapes read at any time.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use metrics::{Collect, Families, Family};

use tls::ClientStats;

const CONNECTED: Family = Family::gauge("tollgate_xds_connected", "1 while a stream to the xDS server is open.", &[]);
const BEHIND: Family = Family::gauge(
    "tollgate_xds_behind",
    "1 while the server's newest snapshot is rejected, so that older rules are active.",
    &[],
);
const ACKS: Family =
    Family::counter("tollgate_xds_acks_total", "Acknowledgements (ACK) that were sent to the xDS server.", &[]);
const NACKS: Family =
    Family::counter("tollgate_xds_nacks_total", "Rejections (NACK) that were sent to the xDS server.", &[]);
const STREAMS: Family =
    Family::counter("tollgate_xds_streams_total", "Streams to the xDS server that were opened.", &[]);
const FAILED: Family =
    Family::counter("tollgate_xds_failed_connections_total", "Attempts to connect to the xDS server that failed.", &[]);
const VERSION: Family = Family::gauge(
    "tollgate_xds_version_info",
    "1, with the version of the snapshot that was accepted last.",
    &["version"],
);

/// The state of the source, and counters since the start.
#[derive(Debug)]
pub struct XdsStats {
    over_tls: bool,
    handshakes: Arc<ClientStats>,
    connected: AtomicBool,
    behind: AtomicBool,
    acks: AtomicU64,
    nacks: AtomicU64,
    streams: AtomicU64,
    failed_connections: AtomicU64,
    version: Mutex<Option<String>>,
}

impl XdsStats {
    /// Statistics of a source that has not connected yet. `over_tls`: export the TLS handshakes too.
    #[must_use]
    pub fn new(over_tls: bool) -> Self {
        Self {
            over_tls,
            handshakes: Arc::new(ClientStats::new("xds")),
            connected: AtomicBool::default(),
            behind: AtomicBool::default(),
            acks: AtomicU64::default(),
            nacks: AtomicU64::default(),
            streams: AtomicU64::default(),
            failed_connections: AtomicU64::default(),
            version: Mutex::default(),
        }
    }

    pub(super) fn handshakes(&self) -> &Arc<ClientStats> {
        &self.handshakes
    }

    pub(super) fn opened(&self) {
        self.streams.fetch_add(1, Relaxed);
        self.connected.store(true, Relaxed);
    }

    pub(super) fn closed(&self) {
        self.connected.store(false, Relaxed);
    }

    pub(super) fn connection_failed(&self) {
        self.failed_connections.fetch_add(1, Relaxed);
    }

    pub(super) fn accepted(&self, version: &str) {
        self.behind.store(false, Relaxed);
        // bounded, because it becomes a label
        let version = version.chars().take(128).collect();
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
    }

    pub(super) fn rejected(&self) {
        self.behind.store(true, Relaxed);
    }

    pub(super) fn acked(&self) {
        self.acks.fetch_add(1, Relaxed);
    }

    pub(super) fn nacked(&self) {
        self.nacks.fetch_add(1, Relaxed);
    }
}

impl Collect for XdsStats {
    fn collect(&self, families: &mut Families) {
        families.add(&CONNECTED, &[], self.connected.load(Relaxed).into());
        families.add(&BEHIND, &[], self.behind.load(Relaxed).into());
        families.add(&ACKS, &[], self.acks.load(Relaxed));
        families.add(&NACKS, &[], self.nacks.load(Relaxed));
        families.add(&STREAMS, &[], self.streams.load(Relaxed));
        families.add(&FAILED, &[], self.failed_connections.load(Relaxed));
        if let Some(version) = &*self.version.lock().unwrap_or_else(PoisonError::into_inner) {
            families.add(&VERSION, &[version], 1);
        }
        if self.over_tls {
            self.handshakes.collect(families);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_that_was_accepted_last_is_exported() {
        let stats = XdsStats::new(false);
        let versions =
            || metrics::series(&stats).into_iter().filter(|line| line.contains("version")).collect::<Vec<_>>();
        assert_eq!(versions(), [""; 0]);
        stats.accepted("v\"7");
        stats.accepted("v\"8");
        assert_eq!(versions(), [r#"tollgate_xds_version_info{version="v\"8"} 1"#], "one alone");
    }

    #[test]
    fn each_family_shows_its_own_number() {
        let stats = XdsStats::new(false);
        let numbers = |[acks, behind, connected, failed, nacks, streams]: [u64; 6]| {
            [
                format!("tollgate_xds_acks_total {acks}"),
                format!("tollgate_xds_behind {behind}"),
                format!("tollgate_xds_connected {connected}"),
                format!("tollgate_xds_failed_connections_total {failed}"),
                format!("tollgate_xds_nacks_total {nacks}"),
                format!("tollgate_xds_streams_total {streams}"),
            ]
        };
        assert_eq!(metrics::series(&stats), numbers([0; 6]));
        (0..2).for_each(|_| stats.acked());
        (0..3).for_each(|_| stats.connection_failed());
        (0..4).for_each(|_| stats.nacked());
        (0..5).for_each(|_| stats.opened());
        assert_eq!(metrics::series(&stats), numbers([2, 0, 1, 3, 4, 5]));
        stats.closed();
        stats.rejected();
        assert_eq!(metrics::series(&stats), numbers([2, 1, 0, 3, 4, 5]));
    }

    #[test]
    fn handshakes_are_exported_of_a_source_over_tls() {
        let handshakes = |over_tls| metrics::series(&XdsStats::new(over_tls)).concat().contains("handshakes_total");
        assert_eq!([true, false].map(handshakes), [true, false]);
    }
}
