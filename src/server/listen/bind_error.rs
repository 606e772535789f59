//! Why a port or a unix socket cannot be bound, and what to do about it.

use std::{io, net::SocketAddr, path::PathBuf};

/// Why a listener could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The host name cannot be resolved.
    #[error("cannot resolve the host \"{host}\": {error}; give an IP address or a name that this machine resolves")]
    Resolve {
        /// The host name.
        host: String,
        /// The resolver's error.
        error: io::Error,
    },
    /// The address cannot be bound: the port is in use or privileged, or this machine does not have the address.
    #[error("cannot listen on {address}: {error}; {}", cure(error))]
    Tcp {
        /// The address; for a host name with several, the one tried last.
        address: SocketAddr,
        /// The system's error.
        error: io::Error,
    },
    /// Another process listens on this unix socket.
    #[error(
        "cannot listen on unix socket {}: another process is listening there; stop it, or set another path",
        .0.display()
    )]
    UnixInUse(PathBuf),
    /// The file at this path is not a socket, so it is not removed.
    #[error(
        "cannot listen on unix socket {}: a file that is not a socket is in the way; remove it, or set another path",
        .0.display()
    )]
    NotASocket(PathBuf),
    /// The path cannot be bound.
    #[error(
        "cannot listen on unix socket {}: {error}; the folder must exist and be writable, and the path have at most \
         107 bytes", path.display()
    )]
    Unix {
        /// The path of the socket.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}

impl BindError {
    /// Whether another process listens on the port or socket.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        match self {
            Self::Tcp { error, .. } => error.kind() == io::ErrorKind::AddrInUse,
            Self::UnixInUse(_) => true,
            Self::Resolve { .. } | Self::NotASocket(_) | Self::Unix { .. } => false,
        }
    }
}

/// What the operator can do about a port that cannot be bound.
fn cure(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process has it: stop that one, or set another port",
        io::ErrorKind::PermissionDenied => "set a port above 1023, or grant CAP_NET_BIND_SERVICE",
        io::ErrorKind::AddrNotAvailable => "set an address of this machine, or 0.0.0.0 for all",
        _ => "set another host or port",
    }
}
