//! The types of the xDS variables' values, each parsed by itself.

use super::go;
use super::parse::{HIDDEN, Value, split};
use super::values::UpTo;
use crate::api::HeaderName;
use crate::server::{Host, HostPort};
use limiter::domain::Secret;

/// A host, by name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct XdsServer {
    /// An IPv6 address has no brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Value for XdsServer {
    const ACCEPTED: &'static str = "an address such as envoy-gateway:18001, [::1]:18000 or dns:///host:18000";

    fn parse(text: &str) -> Option<Self> {
        // the schemes of gRPC targets
        let resolver = text.strip_prefix("dns:").or_else(|| text.strip_prefix("passthrough:"));
        let address = resolver.map_or(text, |rest| rest.strip_prefix("///").unwrap_or(rest));
        let HostPort { host, port } = HostPort::parse(address)?;
        let host = match host {
            Host::Any => "localhost".to_owned(),
            Host::Ip(address) => address.to_string(),
            Host::Name(name) => name,
        };
        (port > 0).then_some(Self { host, port })
    }

    fn show(text: &str) -> String {
        // xDS servers have no login in their address, but somebody may have written one
        text.rsplit_once('@').map_or_else(|| text.to_owned(), |(_, rest)| format!("{HIDDEN}@{rest}"))
    }
}

/// The gRPC metadata of each stream. Its values may be tokens, so they are never printed.
#[derive(Clone, Debug)]
pub(super) struct Headers(pub(super) Vec<(String, Secret)>);

impl Value for Headers {
    const ACCEPTED: &'static str =
        "pairs such as k:v,k:v with one colon in each: names of HTTP headers that do not end in -bin, printable ASCII";

    fn parse(text: &str) -> Option<Self> {
        let pair = |pair: &str| {
            let (name, value) = pair.split_once(':')?;
            let (name, value) = (name.trim(), value.trim());
            let is_text = value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) && !value.contains(':');
            let name = name.to_ascii_lowercase();
            let is_name = HeaderName::new(&name).is_some() && !name.ends_with("-bin");
            (is_name && is_text).then(|| (name, Secret::new(value.to_owned())))
        };
        split(text).map(pair).collect::<Option<_>>().map(Self)
    }

    fn show(text: &str) -> String {
        if text.is_empty() { String::new() } else { HIDDEN.to_owned() }
    }

    fn is_off(&self) -> bool {
        self.0.is_empty()
    }
}

/// Pairs of a key and a text.
#[derive(Clone, Debug)]
pub(super) struct NodeMetadata(pub(super) Vec<(String, String)>);

impl Value for NodeMetadata {
    const ACCEPTED: &'static str = "pairs such as k=v,k=v";

    fn parse(text: &str) -> Option<Self> {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        Some(Self(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()))
    }

    fn hint(text: &str) -> Option<&'static str> {
        let is_left_out = |item: &str| !item.is_empty() && !item.contains('=');
        text.split(',').any(is_left_out).then_some("has parts that are not pairs such as k=v; they are ignored")
    }

    fn is_off(&self) -> bool {
        self.0.is_empty()
    }
}

/// A size that a gRPC frame's length field can have. The text 0 means gRPC's default, 4 MiB.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageBytes(pub(super) UpTo<4_294_967_295>);

const DEFAULT_MESSAGE_BYTES: usize = 4 << 20;

impl Value for MessageBytes {
    const ACCEPTED: &'static str = "a number of bytes from 1 to 4294967295, or 0";

    fn parse(text: &str) -> Option<Self> {
        let bytes = match go::integer(text)? {
            0 => DEFAULT_MESSAGE_BYTES,
            bytes => bytes.try_into().ok()?,
        };
        UpTo::new(bytes).map(Self)
    }

    fn substitute(text: &str) -> Option<(Self, &'static str)> {
        let most = UpTo::new(u32::MAX.try_into().ok()?).filter(|_| go::integer(text).is_some_and(|bytes| bytes > 0))?;
        Some((Self(most), "is taken as 4294967295, the largest message that gRPC can carry"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_written_as_grpc_targets() {
        for (text, host, port) in [
            ("localhost:18000", "localhost", 18000),
            ("envoy-gateway.ns.svc:18001", "envoy-gateway.ns.svc", 18001),
            ("10.0.0.1:1", "10.0.0.1", 1),
            ("[::1]:18000", "::1", 18000),
            (":18000", "localhost", 18000),
            ("dns:host:1", "host", 1),
            ("dns:///host:1", "host", 1),
            ("passthrough:///host:1", "host", 1),
        ] {
            assert_eq!(XdsServer::parse(text), Some(XdsServer { host: host.to_owned(), port }), "{text}");
        }
        for bad in ["", "host", "host:0", "host:65536", "http://host:1", "unix:/run/x", "::1:1", "dns://8.8.8.8/host:1"]
        {
            assert_eq!(XdsServer::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn headers_are_lowercase_and_their_values_hidden() {
        let Headers(headers) = Headers::parse("Authorization:Bearer abc, x-tenant:a").expect("headers");
        let shown: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        assert_eq!(shown, [("authorization", "Bearer abc"), ("x-tenant", "a")]);
        assert!(!format!("{headers:?}").contains("abc"));
        for bad in ["a", "a b:c", "a:b:c", "a:b,", "x-bin:a", "a:\u{e4}", ":path"] {
            assert!(Headers::parse(bad).is_none(), "{bad}");
        }
    }
}
