//! What an operator wants to know of the xDS source. Read by scrapes at any time.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use crate::tls::ClientStats;

/// Counted since the start.
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
    /// Of a source that connects over TLS, or not.
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

    /// Its TLS handshakes; `None` without TLS.
    #[must_use]
    pub fn tls(&self) -> Option<&ClientStats> {
        self.over_tls.then_some(&*self.handshakes)
    }

    pub(super) fn handshakes(&self) -> &Arc<ClientStats> {
        &self.handshakes
    }

    /// A stream to the server is open.
    #[must_use]
    pub fn connected(&self) -> bool {
        self.connected.load(Relaxed)
    }

    /// The server's newest snapshot was refused, so that older rules are in force than it wants.
    #[must_use]
    pub fn behind(&self) -> bool {
        self.behind.load(Relaxed)
    }

    /// Acknowledgements that were sent.
    #[must_use]
    pub fn acks(&self) -> u64 {
        self.acks.load(Relaxed)
    }

    /// Refusals that were sent.
    #[must_use]
    pub fn nacks(&self) -> u64 {
        self.nacks.load(Relaxed)
    }

    /// Streams that were opened.
    #[must_use]
    pub fn streams(&self) -> u64 {
        self.streams.load(Relaxed)
    }

    /// Attempts to connect that failed.
    #[must_use]
    pub fn failed_connections(&self) -> u64 {
        self.failed_connections.load(Relaxed)
    }

    /// The version of the snapshot that was accepted last.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        // a label of a metric: as much of it as a person would read
        let version = version.chars().take(128).collect();
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
    }

    pub(super) fn refused(&self) {
        self.behind.store(true, Relaxed);
    }

    pub(super) fn acked(&self) {
        self.acks.fetch_add(1, Relaxed);
    }

    pub(super) fn nacked(&self) {
        self.nacks.fetch_add(1, Relaxed);
    }
}
