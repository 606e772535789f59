//! The socket of an accepted connection: its options, its peer, and its move to another runtime.

use std::{io, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream};

use crate::rejections::PeerName;

/// An accepted connection that is registered with a runtime.
#[derive(Debug)]
pub(in crate::server) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// An accepted connection on its way from the acceptor's runtime to a worker's; registered with neither.
#[derive(Debug)]
pub(in crate::server) enum DetachedSocket {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Socket {
    /// The peer's address, for logs.
    pub(in crate::server) fn peer(&self) -> PeerName {
        match self {
            Self::Tcp(stream) => stream.peer_addr().map_or(PeerName::Unknown, PeerName::Tcp),
            Self::Unix(_) => PeerName::Unix,
        }
    }

    pub(super) fn set_options(&self, options: &SocketOptions) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => options.set(stream),
            Self::Unix(_) => Ok(()),
        }
    }

    /// Deregisters the connection from its runtime.
    ///
    /// # Errors
    /// If the system rejects the socket, as it does if the peer has closed the connection.
    pub(in crate::server) fn detach(self) -> io::Result<DetachedSocket> {
        match self {
            Self::Tcp(stream) => stream.into_std().map(DetachedSocket::Tcp),
            Self::Unix(stream) => stream.into_std().map(DetachedSocket::Unix),
        }
    }
}

impl DetachedSocket {
    /// Registers the connection with the current runtime.
    ///
    /// # Errors
    /// If the runtime or the system rejects the socket.
    pub(in crate::server) fn attach(self) -> io::Result<Socket> {
        match self {
            Self::Tcp(stream) => TcpStream::from_std(stream).map(Socket::Tcp),
            Self::Unix(stream) => UnixStream::from_std(stream).map(Socket::Unix),
        }
    }
}

/// How a TCP peer is detected that has disappeared (its machine died, the network is partitioned), or that does not
/// read. The kernel does it. HTTP/2 pings would also detect a peer whose process hangs, but they cost about 4 % of the
/// throughput, because hyper then reads the clock and takes a lock for each call.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::server) struct SocketOptions {
    /// The silence after which the peer's kernel is probed, and how long it may take to answer.
    pub(in crate::server) keepalive: Option<(Duration, Duration)>,
    /// How long the peer's kernel may take to acknowledge data and probes.
    pub(in crate::server) user_timeout: Option<Duration>,
}

impl SocketOptions {
    /// Probes a peer that has been silent for `interval`, unless that is zero. The peer's kernel may take `timeout` to
    /// acknowledge a probe or an answer. Both are rounded to whole seconds.
    pub(in crate::server) fn with_keepalive(interval: Duration, timeout: Duration) -> Self {
        if interval.is_zero() {
            return Self::default();
        }
        // The kernel accepts whole seconds from 1 to 32767.
        let seconds = |duration: Duration| Duration::from_secs(duration.as_secs().clamp(1, 32_767));
        let (interval, timeout) = (seconds(interval), seconds(timeout));
        Self { keepalive: Some((interval, timeout)), user_timeout: Some(timeout) }
    }

    fn set(&self, stream: &TcpStream) -> io::Result<()> {
        // A response is one small write: it must not wait until the previous one is acknowledged (Nagle's algorithm).
        stream.set_nodelay(true)?;
        let socket = SockRef::from(stream);
        if let Some((interval, timeout)) = self.keepalive {
            socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(interval).with_interval(timeout))?;
        }
        #[cfg(target_os = "linux")]
        if let Some(timeout) = self.user_timeout {
            socket.set_tcp_user_timeout(Some(timeout))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_socket_has_its_options_when_it_is_detached() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let _peer = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connected");
        let (stream, _) = listener.accept().await.expect("accepted");
        let socket = Socket::Tcp(stream);
        let options = SocketOptions::with_keepalive(Duration::from_secs(60), Duration::from_millis(20_500));
        socket.set_options(&options).expect("set");
        let DetachedSocket::Tcp(stream) = socket.detach().expect("detached") else { unreachable!("it was TCP") };
        let socket = SockRef::from(&stream);
        assert!(stream.nodelay().expect("readable") && socket.keepalive().expect("readable"));
        assert_eq!(socket.tcp_keepalive_time().expect("readable").as_secs(), 60);
        assert_eq!(socket.tcp_keepalive_interval().expect("readable").as_secs(), 20);
        assert_eq!(socket.tcp_user_timeout().expect("readable"), Some(Duration::from_secs(20)));
    }

    #[test]
    fn an_interval_of_zero_turns_the_probes_off() {
        let options = SocketOptions::with_keepalive(Duration::ZERO, Duration::from_secs(20));
        assert!(options.keepalive.is_none() && options.user_timeout.is_none());
    }
}
