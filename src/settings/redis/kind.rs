//! The topology of Redis, and the kind of socket.

use crate::settings::parse::{Value, words};

words!(
    /// The topology of Redis.
    pub(in crate::settings) RedisType, "SINGLE, SENTINEL or CLUSTER, in any case",
    Single = "single", Sentinel = "sentinel", Cluster = "cluster"
);

/// The kind of socket that a single Redis is connected to with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settings) enum SocketType {
    Tcp,
    Unix,
}

impl Value for SocketType {
    const ACCEPTED: &'static str = "tcp or unix, in any case";

    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "tcp" => Some(Self::Tcp),
            "unix" => Some(Self::Unix),
            _ => None,
        }
    }

    fn substitute(text: &str) -> Option<(Self, &'static str)> {
        let is_go_s = ["tcp4", "tcp6"].contains(&text.to_ascii_lowercase().as_str());
        is_go_s.then_some((Self::Tcp, "is taken as tcp: both IPv4 and IPv6 addresses are tried"))
    }
}
