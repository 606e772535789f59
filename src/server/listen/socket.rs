//! An accepted connection's socket: its options, and its move from the acceptor's runtime to a worker's.

use std::{io, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream};

use crate::rejections::PeerName;

/// An accepted connection on the acceptor's runtime.
#[derive(Debug)]
pub(in crate::server) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// An accepted connection that is detached from the acceptor's runtime, and not yet on a worker's.
#[derive(Debug)]
pub(in crate::server) enum DetachedStream {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl DetachedStream {
    /// The peer.
    pub(in crate::server) fn peer(&self) -> PeerName {
        match self {
            Self::Tcp(stream) => stream.peer_addr().map_or(PeerName::Unknown, PeerName::Tcp),
            Self::Unix(_) => PeerName::Unix,
        }
    }
}

impl Socket {
    /// Sets the socket's options, and detaches it from this runtime.
    pub(in crate::server) fn detach(self, keepalive: Keepalive) -> io::Result<DetachedStream> {
        match self {
            Self::Tcp(stream) => {
                // An answer is one small write: it must not wait for the acknowledgement of the one before.
                stream.set_nodelay(true)?;
                keepalive.set(&stream)?;
                stream.into_std().map(DetachedStream::Tcp)
            }
            Self::Unix(stream) => stream.into_std().map(DetachedStream::Unix),
        }
    }
}

/// How a TCP peer that has vanished (its machine died, the network is partitioned) is detected. The kernel does it:
/// HTTP/2 pings would also detect a peer whose process hangs, but cost about 4 % of the throughput, for hyper then
/// reads the clock and takes a lock for each call.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct Keepalive {
    interval: Duration,
    timeout: Duration,
}

impl Keepalive {
    pub(in crate::server) const fn new(interval: Duration, timeout: Duration) -> Self {
        Self { interval, timeout }
    }

    fn set(self, stream: &TcpStream) -> io::Result<()> {
        if self.interval.is_zero() {
            return Ok(());
        }
        // The kernel counts in seconds up to 32767, and refuses zero.
        let seconds = |duration: Duration| Duration::from_secs(duration.as_secs().clamp(1, 32_767));
        let (interval, timeout) = (seconds(self.interval), seconds(self.timeout));
        let socket = SockRef::from(stream);
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(interval).with_interval(timeout))?;
        // Ends the wait for acknowledgements, those of the probes included.
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(timeout))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_socket_is_detached_with_its_options() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let _peer = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connected");
        let (stream, _) = listener.accept().await.expect("accepted");
        let keepalive = Keepalive { interval: Duration::from_secs(60), timeout: Duration::from_millis(20_500) };
        let detached = Socket::Tcp(stream).detach(keepalive).expect("detached");
        let DetachedStream::Tcp(stream) = detached else { unreachable!("it was TCP") };
        let socket = SockRef::from(&stream);
        assert!(stream.nodelay().expect("readable") && socket.keepalive().expect("readable"));
        assert_eq!(socket.tcp_keepalive_time().expect("readable").as_secs(), 60);
        assert_eq!(socket.tcp_keepalive_interval().expect("readable").as_secs(), 20);
        assert_eq!(socket.tcp_user_timeout().expect("readable"), Some(Duration::from_secs(20)));
    }
}
