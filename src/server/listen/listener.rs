//! Where to listen, and the bound socket. Listeners are bound before any task is spawned, so that a port that is in use
//! is an error at start.

use std::{
    fmt, io,
    net::SocketAddr,
    path::PathBuf,
    task::{Context, Poll},
};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::{BindError, HostPort, socket::Socket, tcp, unix};

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A TCP port.
    Tcp(HostPort),
    /// A unix socket at this path.
    Unix(PathBuf),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(at) => at.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The address of a bound listener: for port 0, with the port that the system chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalAddr {
    /// A TCP address.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

impl fmt::Display for LocalAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A bound socket. A unix socket's file is removed when this is dropped.
#[derive(Debug)]
pub struct Listener {
    name: &'static str,
    socket: ListenerSocket,
    local: LocalAddr,
}

#[derive(Debug)]
enum ListenerSocket {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: unix::SocketFile },
}

impl Listener {
    /// Binds and listens; from now on the system queues connections. Must be called on the runtime that will accept.
    /// `name` is the listener's name in logs.
    ///
    /// # Errors
    /// If the address or path cannot be bound; the error names it and says what to do.
    pub async fn bind(name: &'static str, listen: &Listen) -> Result<Self, BindError> {
        let (socket, local) = match listen {
            Listen::Tcp(at) => {
                let (listener, address) = tcp::bind(at).await?;
                (ListenerSocket::Tcp(listener), LocalAddr::Tcp(address))
            }
            Listen::Unix(path) => {
                let (listener, file) = unix::bind(path).await?;
                (ListenerSocket::Unix { listener, _file: file }, LocalAddr::Unix(path.clone()))
            }
        };
        Ok(Self { name, socket, local })
    }

    /// The listener's name in logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The address that it is bound to.
    #[must_use]
    pub fn local_addr(&self) -> &LocalAddr {
        &self.local
    }

    /// Accepts a connection that the system has queued; fails with `WouldBlock` if there is none. Bypasses the runtime,
    /// which learns of queued connections late, and which limits how much one task does before it must yield.
    pub(super) fn accept_queued(&self) -> io::Result<Socket> {
        let accepted = match &self.socket {
            ListenerSocket::Tcp(listener) => SockRef::from(listener).accept(),
            ListenerSocket::Unix { listener, .. } => SockRef::from(listener).accept(),
        };
        let (socket, _) = accepted?;
        socket.set_nonblocking(true)?;
        match &self.socket {
            ListenerSocket::Tcp(_) => TcpStream::from_std(socket.into()).map(Socket::Tcp),
            ListenerSocket::Unix { .. } => UnixStream::from_std(socket.into()).map(Socket::Unix),
        }
    }

    /// Accepts the next connection.
    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Socket>> {
        match &self.socket {
            ListenerSocket::Tcp(listener) => listener.poll_accept(cx).map_ok(|(stream, _)| Socket::Tcp(stream)),
            ListenerSocket::Unix { listener, .. } => {
                listener.poll_accept(cx).map_ok(|(stream, _)| Socket::Unix(stream))
            }
        }
    }
}
