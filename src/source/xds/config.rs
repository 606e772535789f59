//! The configuration of the source.

use std::time::Duration;

use limiter::domain::Secret;
use rustls::pki_types::ServerName;

use tls::ClientFiles;

/// Where the rules are served, and how to ask for them.
#[derive(Clone, Debug, PartialEq)]
pub struct XdsConfig {
    /// The ADS server's host, by name or address; an IPv6 address stands without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The node id that this service reports.
    pub node_id: String,
    /// The metadata that this service reports with it.
    pub node_metadata: Vec<(String, String)>,
    /// gRPC metadata that goes with each stream: lowercase names that do not end in `-bin`, printable ASCII.
    pub headers: Vec<(String, Secret)>,
    /// How the connection is secured; `None`: not at all.
    pub tls: Option<XdsTlsConfig>,
    /// The pause between attempts to connect.
    pub connect_retry: Duration,
    /// The pauses between streams.
    pub backoff: BackoffConfig,
    /// How often a quiet connection is sent a ping; `None`: never.
    pub keepalive: Option<Duration>,
    /// The largest message that is accepted, in bytes.
    pub max_message_bytes: usize,
}

/// How the connection is secured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XdsTlsConfig {
    /// Read again for each connection, so that a rotated Secret is used from the next one on.
    pub files: ClientFiles,
    /// The name or address that the server's certificate must have; `None`: the host.
    pub name: Option<ServerName<'static>>,
}

/// The pauses after streams that ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackoffConfig {
    /// The first.
    pub initial: Duration,
    /// No pause grows beyond it.
    pub max: Duration,
    /// What each is multiplied by for the next; below 1 it stays.
    pub factor: f64,
    /// Make each up to a quarter longer, at random.
    pub jitter: bool,
}

impl XdsConfig {
    /// The server as messages and HTTP write it.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}
