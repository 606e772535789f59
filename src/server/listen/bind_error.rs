//! Why a port or a unix socket cannot be listened on, and what to do about it.

use std::{io, net::SocketAddr, path::PathBuf};

/// Why a listener could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The name of the host has no address.
    #[error("cannot resolve the host \"{host}\": {error}; give an IP address or a name that this machine resolves")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        error: io::Error,
    },
    /// The address is taken, privileged, or not of this machine.
    #[error("cannot listen on {address}: {error}; {}", cure(error))]
    Tcp {
        /// The address tried last.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// Another process serves this unix socket.
    #[error(
        "cannot listen on unix socket {}: another process is listening there; stop it, or set another path",
        .0.display()
    )]
    UnixInUse(PathBuf),
    /// What is at the path is no socket, so it is not removed.
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
        /// The path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl BindError {
    /// Whether another process has it.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        match self {
            Self::Tcp { error, .. } => error.kind() == io::ErrorKind::AddrInUse,
            Self::UnixInUse(_) => true,
            Self::Resolve { .. } | Self::NotASocket(_) | Self::Unix { .. } => false,
        }
    }
}

/// What a person can do about a port that cannot be bound.
fn cure(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process has it: stop that one, or set another port",
        io::ErrorKind::PermissionDenied => "set a port above 1023, or grant CAP_NET_BIND_SERVICE",
        io::ErrorKind::AddrNotAvailable => "set an address of this machine, or 0.0.0.0 for all",
        _ => "set another host or port",
    }
}
