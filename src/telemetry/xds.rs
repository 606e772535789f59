//! Exports what the xDS source knows. With rules from elsewhere there is nothing of it.

use std::sync::Arc;

use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::{
    Readings,
    family::{Family, Kind},
};

/// The state of the xDS source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Xds {
    /// A stream to the server is open.
    pub connected: bool,
    /// The server's newest snapshot was refused.
    pub behind: bool,
    /// Acknowledgements that were sent.
    pub acks: u64,
    /// Refusals that were sent.
    pub nacks: u64,
    /// Streams that were opened.
    pub streams: u64,
    /// Attempts to connect that failed.
    pub failed_connections: u64,
    /// Of the snapshot that was accepted last.
    pub version: Option<String>,
}

const CONNECTED: Family = Family::new("tollgate_xds_connected", "1 while a stream to the xDS server is open.", &[]);
const BEHIND: Family = Family::new(
    "tollgate_xds_behind",
    "1 while the server's newest snapshot is refused, so that older rules are in force.",
    &[],
);
const ACKS: Family = Family::new("tollgate_xds_acks_total", "Acknowledgements that were sent to the xDS server.", &[]);
const NACKS: Family = Family::new("tollgate_xds_nacks_total", "Refusals that were sent to the xDS server.", &[]);
const STREAMS: Family = Family::new("tollgate_xds_streams_total", "Streams to the xDS server that were opened.", &[]);
const FAILED: Family =
    Family::new("tollgate_xds_failed_connections_total", "Attempts to connect to the xDS server that failed.", &[]);
const VERSION: Family = Family::new(
    "tollgate_xds_version_info",
    "1, with the version of the snapshot that was accepted last.",
    &["version"],
);

const FAMILIES: [&Family; 7] = [&CONNECTED, &BEHIND, &ACKS, &NACKS, &STREAMS, &FAILED, &VERSION];

/// Exports the [`Readings`] of xDS.
pub(super) struct XdsFamilies {
    readings: Arc<dyn Readings>,
    descs: Box<[Desc]>,
}

impl XdsFamilies {
    pub(super) fn new(readings: Arc<dyn Readings>) -> prometheus::Result<Self> {
        let descs = FAMILIES.map(Family::desc).into_iter().collect::<Result<_, _>>()?;
        Ok(Self { readings, descs })
    }
}

impl Collector for XdsFamilies {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    // A family without series is left out by the registry.
    fn collect(&self) -> Vec<MetricFamily> {
        let xds = self.readings.xds();
        let one = |family: &Family, kind, number: fn(&Xds) -> u64| {
            family.of(kind, xds.as_ref().map(|xds| (vec![], number(xds))))
        };
        let version = xds.as_ref().and_then(|xds| xds.version.as_deref());
        vec![
            one(&CONNECTED, Kind::Gauge, |xds| xds.connected.into()),
            one(&BEHIND, Kind::Gauge, |xds| xds.behind.into()),
            one(&ACKS, Kind::Counter, |xds| xds.acks),
            one(&NACKS, Kind::Counter, |xds| xds.nacks),
            one(&STREAMS, Kind::Counter, |xds| xds.streams),
            one(&FAILED, Kind::Counter, |xds| xds.failed_connections),
            VERSION.of(Kind::Gauge, version.map(|version| (vec![version], 1))),
        ]
    }
}
