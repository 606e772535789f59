//! Hosts and ports to listen on, in the forms that the reference accepts.

use std::net::IpAddr;

use super::go;
use super::parse::Value;
use crate::server::{Host, HostPort};

impl Value for Host {
    const ACCEPTED: &'static str = "an IP address (:: for all addresses, IPv4 included) or a host name";

    /// Parses an IP address (IPv6 with or without brackets) or a DNS name; an empty text is [`Host::Any`].
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Any);
        }
        if let Some(inner) = text.strip_prefix('[') {
            return inner.strip_suffix(']')?.parse().ok().filter(IpAddr::is_ipv6).map(Self::Ip);
        }
        if let Ok(address) = text.parse() {
            return Some(Self::Ip(address));
        }
        // A text of digits and dots is a mistyped IPv4 address, never a name.
        let is_name = text.len() <= 253
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
            && text.bytes().any(|byte| byte.is_ascii_alphabetic())
            && text.strip_suffix('.').unwrap_or(text).split('.').all(|label| (1..=63).contains(&label.len()));
        is_name.then(|| Self::Name(text.to_owned()))
    }
}

impl Value for HostPort {
    const ACCEPTED: &'static str = "an address such as :9090, 0.0.0.0:9090 or [::1]:9090";

    /// Parses `host:port`; the host may be empty.
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        // `::1:80` is ambiguous, so an IPv6 address needs its brackets here.
        if host.contains(':') && !host.starts_with('[') {
            return None;
        }
        Some(Self { host: Host::parse(host)?, port: go::integer(port)?.try_into().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        assert_eq!(Host::parse(""), Some(Host::Any));
        for address in ["0.0.0.0", "::", "::1", "10.1.2.3"] {
            assert_eq!(Host::parse(address), Some(Host::Ip(address.parse().expect("an address"))), "{address}");
        }
        assert_eq!(Host::parse("[::]"), Host::parse("::"));
        for name in ["localhost", "rate_limit.svc.cluster.local.", "a-b"] {
            assert_eq!(Host::parse(name), Some(Host::Name(name.to_owned())), "{name}");
        }
        for bad in [" ", "a b", "[::", "::]", "[1.2.3.4]", "1.2.3", "256.1.1.1", "a..b", ".", "http://x", "a:80"] {
            assert_eq!(Host::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn hosts_with_ports_read_what_they_write() {
        for text in [":9090", "0.0.0.0:0", "[::1]:80", "metrics:65535"] {
            assert_eq!(HostPort::parse(text).expect(text).to_string(), text);
        }
        for bad in ["", "9090", ":", "::1:80", ":65536", ":-1", "a:b", "host:"] {
            assert_eq!(HostPort::parse(bad), None, "{bad}");
        }
    }
}
