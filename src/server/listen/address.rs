//! A host and a port to listen at.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// A host to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// No host is given, as in `:9090`: every address of the machine, IPv6 and IPv4 if the machine has both.
    Any,
    /// An IP address; `::` accepts IPv4 connections too.
    Ip(IpAddr),
    /// A host name, which is resolved when the listener is bound.
    Name(String),
}

/// A host and a TCP port to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// The host.
    pub host: Host,
    /// The port; with 0 the system chooses a free one.
    pub port: u16,
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        Self { host: Host::Ip(address.ip()), port: address.port() }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Any => write!(f, ":{}", self.port),
            Host::Ip(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            Host::Ip(IpAddr::V4(address)) => write!(f, "{address}:{}", self.port),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}
