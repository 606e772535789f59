//! A listener's side of TLS: its certificate from files, handshakes, and new files put in force while it runs.
//!
//! ```text
//!  files ─▶ Material ─▶ Loaded (ArcSwap) ─▶ each handshake takes what is in force at its moment
//!    ▲                     ▲
//!    └──── watch ──────────┘   a change that cannot be used leaves the old in force
//! ```
//!
//! A connection keeps the configuration that it was made with until it ends.

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
    /// Reads the files of the listener with this name, which speaks these protocols (ALPN). Blocks.
    ///
    /// # Errors
    /// If a file cannot be used, or its certificate has expired.
    pub fn load(
        listener: &'static str,
        files: ServerFiles,
        protocols: &'static [&'static [u8]],
    ) -> Result<Self, TlsError> {
        let loaded = Material::read(&files)?.load(protocols, SystemTime::now())?;
        Ok(Self { listener, files, protocols, loaded: ArcSwap::from_pointee(loaded), stats: Stats::default() })
    }

    /// The name of its listener.
    #[must_use]
    pub fn listener(&self) -> &'static str {
        self.listener
    }

    /// When the certificate in force is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.loaded.load().validity
    }

    /// Its counts.
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

    /// Reads the files again and puts them in force, if they can be used and have changed. Blocks.
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
