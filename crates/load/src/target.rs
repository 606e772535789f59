//! The server under load: its address as users write it, and as it is connected to.

use std::{fmt, io, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use tokio::net::lookup_host;

/// The time within which a connection must be established, including HTTP/2.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The address of a server, written `host:port`, `http://host:port` or `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A TCP address.
    Tcp {
        /// A host name or an IP address; IPv6 without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A unix socket.
    Unix(PathBuf),
}

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The text has none of the accepted forms.
    #[error("write host:port or unix:/path, such as localhost:8081")]
    Form,
    /// The address uses TLS.
    #[error("TLS cannot be measured yet: give the address of a listener without it")]
    Tls,
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if text.starts_with("https://") {
            return Err(TargetError::Tls);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(TargetError::Form) } else { Ok(Self::Unix(path.into())) };
        }
        let text = text.strip_prefix("http://").unwrap_or(text);
        let (host, port) = text.strip_suffix('/').unwrap_or(text).rsplit_once(':').ok_or(TargetError::Form)?;
        let port = port.parse().map_err(|_| TargetError::Form)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or(TargetError::Form)?,
            None if host.contains(':') => return Err(TargetError::Form),
            None => host,
        };
        let sound = !host.is_empty() && host.chars().all(|c| c.is_ascii_graphic() && !"/@?#".contains(c));
        if sound { Ok(Self::Tcp { host: host.to_owned(), port }) } else { Err(TargetError::Form) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp { host: address.ip().to_string(), port: address.port() }
    }
}

impl Target {
    /// The value of `:authority`.
    pub(crate) fn authority(&self) -> String {
        match self {
            Self::Tcp { .. } => self.to_string(),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }

    /// Resolves the host name, once for all connections.
    pub(crate) async fn resolve(&self) -> io::Result<Resolved> {
        match self {
            Self::Tcp { host, port } => Ok(Resolved::Tcp(lookup_host((host.as_str(), *port)).await?.collect())),
            Self::Unix(path) => Ok(Resolved::Unix(path.clone())),
        }
    }
}

/// A resolved address.
#[derive(Clone, Debug)]
pub(crate) enum Resolved {
    /// TCP addresses, tried in order.
    Tcp(Vec<SocketAddr>),
    /// A unix socket.
    Unix(PathBuf),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Result<Target, TargetError> {
        Ok(Target::Tcp { host: host.to_owned(), port })
    }

    #[test]
    fn addresses_are_read_and_written() {
        for (text, target, written) in [
            ("localhost:8081", tcp("localhost", 8081), "localhost:8081"),
            ("http://10.0.0.1:80/", tcp("10.0.0.1", 80), "10.0.0.1:80"),
            ("[::1]:8081", tcp("::1", 8081), "[::1]:8081"),
            ("unix:/run/x.sock", Ok(Target::Unix("/run/x.sock".into())), "unix:/run/x.sock"),
            ("unix:///run/x.sock", Ok(Target::Unix("/run/x.sock".into())), "unix:/run/x.sock"),
        ] {
            let read = text.parse::<Target>();
            assert_eq!(read, target, "{text}");
            assert_eq!(read.map(|target| target.to_string()).as_deref(), Ok(written));
        }
    }

    #[test]
    fn texts_that_are_no_address_are_rejected() {
        for text in
            ["", "localhost", "localhost:", ":1", "::1:8081", "[::1:1", "a b:1", "host:1/path", "h:65536", "unix:"]
        {
            assert_eq!(text.parse::<Target>(), Err(TargetError::Form), "{text}");
        }
        assert_eq!("https://host:1".parse::<Target>(), Err(TargetError::Tls));
    }
}
