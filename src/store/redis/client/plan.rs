//! How and where to connect.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use super::health::Totals;
use crate::store::redis::{Credentials, HostPort};

/// Even where calls may take less, connecting may take this long: no caller waits for it.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

/// What connections of an endpoint have in common.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) credentials: Credentials,
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
    pub(super) database: u8,
    /// Connections to each node.
    pub(super) connections: usize,
    /// Of a call.
    pub(super) timeout: Duration,
    pub(super) totals: Arc<Totals>,
}

impl Plan {
    /// How long each step of connecting may take.
    pub(super) fn patience(&self) -> Duration {
        self.timeout.max(LEAST_PATIENCE)
    }

    /// A connection on which nothing comes back for so long is dropped.
    pub(super) fn silence(&self) -> Duration {
        (self.timeout * 4).max(LEAST_PATIENCE)
    }
}

/// What to connect to.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Tcp(HostPort),
    Unix(PathBuf),
    /// Whatever the sentinels name.
    Sentinel {
        master: String,
        sentinels: Vec<HostPort>,
        credentials: Credentials,
    },
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(HostPort { host, port }) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(HostPort { host, port }) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Sentinel { master, .. } => write!(f, "the primary of {master}"),
        }
    }
}
