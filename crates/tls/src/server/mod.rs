//! TLS for listeners: the certificate from files, handshakes, and new files applied while the listener runs.
//!
//! ```text
//!  files ─▶ Material ─▶ Loaded (ArcSwap) ─▶ each handshake uses the configuration that is active when it begins
//!    ▲                     ▲
//!    └──── watch ──────────┘   new files that cannot be used leave the old configuration active
//! ```
//!
//! An established connection keeps its configuration until it ends.

mod clients;
mod dates;
mod expiry;
mod handshake;
mod material;
mod peer;
mod stats;
mod watch;

use std::{sync::Arc, time::SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;

pub use dates::validities;
pub use handshake::Gate;
pub use material::{ClientAuthority, ServerFiles};
pub use peer::{Peer, PeerCertificate};
pub use stats::Counts;
pub use watch::watch;

use super::{TlsError, Validity};
use material::{Loaded, Material};
use stats::Stats;

/// The TLS of one listener.
#[derive(Debug)]
pub struct ServerTls {
    listener: &'static str,
    files: ServerFiles,
    protocols: &'static [&'static [u8]],
    loaded: ArcSwap<Loaded>,
    stats: Stats,
}

/// The outcome of reading the files again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reloaded {
    Applied(Validity),
    Unchanged,
}

impl ServerTls {
    /// Reads the files of a listener. `listener` is its name in metrics and logs, `protocols` are its ALPN protocols.
    /// Blocks on file I/O.
    ///
    /// # Errors
    /// If a file cannot be used, or the certificate has expired.
    pub fn load(
        listener: &'static str,
        files: ServerFiles,
        protocols: &'static [&'static [u8]],
    ) -> Result<Self, TlsError> {
        let loaded = Material::read(&files)?.load(protocols, SystemTime::now())?;
        Ok(Self { listener, files, protocols, loaded: ArcSwap::from_pointee(loaded), stats: Stats::default() })
    }

    /// The listener's name in metrics and logs.
    #[must_use]
    pub fn listener(&self) -> &'static str {
        self.listener
    }

    /// The validity of the active certificate.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.loaded.load().validity
    }

    /// The listener's handshakes and reloads since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.stats.reading()
    }

    fn stats(&self) -> &Stats {
        &self.stats
    }

    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.loaded.load().config)
    }

    /// Reads the files again, and applies them if they have changed and can be used. Blocks on file I/O.
    fn reload(&self, now: SystemTime) -> Result<Reloaded, TlsError> {
        let material = Material::read(&self.files)?;
        if material.digest() == self.loaded.load().digest {
            return Ok(Reloaded::Unchanged);
        }
        let loaded = material.load(self.protocols, now)?;
        let validity = loaded.validity;
        self.loaded.store(Arc::new(loaded));
        Ok(Reloaded::Applied(validity))
    }
}
