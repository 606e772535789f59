//! The configuration of the xDS source.

use std::time::Duration;

use limiter::domain::Secret;
use rustls::pki_types::ServerName;

use tls::ClientFiles;

/// The server, the node that this service identifies as, and the parameters of connections.
#[derive(Clone, Debug, PartialEq)]
pub struct XdsConfig {
    /// The ADS server's host, a name or an address; an IPv6 address has no brackets.
    pub host: String,
    /// The ADS server's port.
    pub port: u16,
    /// The node id that this service sends.
    pub node_id: String,
    /// The node metadata that this service sends.
    pub node_metadata: Vec<(String, String)>,
    /// gRPC metadata of each stream: lowercase names that do not end in `-bin`, values in printable ASCII.
    pub headers: Vec<(String, Secret)>,
    /// The TLS parameters; `None`: without TLS.
    pub tls: Option<XdsTlsConfig>,
    /// The pause between attempts to connect.
    pub connect_retry: Duration,
    /// The pauses between streams.
    pub backoff: BackoffConfig,
    /// How often an idle connection is sent a ping; `None`: never.
    pub keepalive: Option<Duration>,
    /// The largest message that is accepted, in bytes.
    pub max_message_bytes: usize,
}

/// The TLS parameters of connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XdsTlsConfig {
    /// Read again for each connection, so that the next connection uses a rotated Secret.
    pub files: ClientFiles,
    /// The name or address that the server's certificate must be for; `None`: the host.
    pub name: Option<ServerName<'static>>,
}

/// The pauses after streams that ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackoffConfig {
    /// The first pause.
    pub initial: Duration,
    /// The longest pause.
    pub max: Duration,
    /// The factor between successive pauses; below 1 the pause does not change.
    pub factor: f64,
    /// Make each pause up to a quarter longer, at random.
    pub jitter: bool,
}

impl XdsConfig {
    /// `host:port`, as in messages and HTTP; an IPv6 address gets brackets.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}
