//! The opening of a connection: the peer's first bytes, and the TLS handshake if the listener has TLS.

use std::{pin::Pin, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::timeout,
};

use super::{
    shutdown::{ShutdownPhase, reached},
    slots::ConnectionSlot,
    socket::Socket,
};
use crate::rejections::PeerName;
use tls::{Gate, HandshakeError, Peer, PeerCertificate, ServerTls};

/// How much time is left to open a connection when the drain begins: enough for a peer whose first bytes are on the way.
const TIME_WHILE_DRAINING: Duration = Duration::from_secs(1);

/// Resolves when the time for opening a connection has elapsed.
pub(in crate::server) type Deadline = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves the stream of an open connection: TCP or a unix socket, with or without TLS.
pub(in crate::server) trait ServeStream: Send {
    /// The result of serving.
    type Output;

    /// Serves the stream of a peer with this certificate; `None` if the peer has sent none. `deadline` is that of the
    /// opening, for a protocol that has a handshake of its own.
    fn serve<T>(
        self,
        stream: T,
        certificate: Option<PeerCertificate>,
        slot: &ConnectionSlot,
        deadline: Deadline,
    ) -> impl Future<Output = Self::Output> + Send
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static;
}

/// Why a connection was not opened.
#[derive(Debug)]
pub(in crate::server) enum OpeningError {
    /// The peer sent nothing before the deadline, or before the connection was evicted.
    Silent,
    /// The TLS handshake failed; it has been counted and logged.
    Tls(HandshakeError),
}

/// How the connections of a listener are opened on one runtime.
#[derive(Debug)]
pub(in crate::server) struct Opening {
    tls: Option<Arc<ServerTls>>,
    handshakes: Gate,
    time: Duration,
}

impl Opening {
    /// `time` is how long opening a connection may take. A connection that is not open when the drain begins has
    /// [`TIME_WHILE_DRAINING`] left.
    pub(in crate::server) fn new(tls: Option<Arc<ServerTls>>, time: Duration) -> Self {
        Self { tls, handshakes: Gate::default(), time }
    }

    /// Opens a connection: waits for the peer's first bytes, does the TLS handshake if the listener has TLS, and has
    /// `server` serve the stream.
    ///
    /// # Errors
    /// If the peer sends nothing in time, or the TLS handshake fails.
    pub(in crate::server) async fn open<S: ServeStream>(
        &self,
        socket: Socket,
        slot: &mut ConnectionSlot,
        phases: watch::Receiver<ShutdownPhase>,
        server: S,
    ) -> Result<S::Output, OpeningError> {
        let peer = socket.peer();
        let deadline = Box::pin(deadline(self.time, phases));
        match socket {
            Socket::Tcp(stream) => self.open_stream(stream, &peer, slot, deadline, server).await,
            Socket::Unix(stream) => self.open_stream(stream, &peer, slot, deadline, server).await,
        }
    }

    async fn open_stream<T, S>(
        &self,
        stream: T,
        peer: &PeerName,
        slot: &mut ConnectionSlot,
        mut deadline: Deadline,
        server: S,
    ) -> Result<S::Output, OpeningError>
    where
        T: Peer + Send + 'static,
        S: ServeStream,
    {
        let is_silent = tokio::select! {
            biased;
            _ = stream.wait_readable() => false,
            () = deadline.as_mut() => true,
            () = slot.evicted() => true,
        };
        slot.end_silence();
        let Some(tls) = &self.tls else {
            if is_silent {
                return Err(OpeningError::Silent);
            }
            return Ok(server.serve(stream, None, slot, deadline).await);
        };
        // a silent peer's handshake is cancelled immediately, which counts and logs it
        let cancelled = async {
            if is_silent {
                return;
            }
            tokio::select! {
                () = deadline.as_mut() => {}
                () = slot.evicted() => {}
            }
        };
        let stream = tls.accept(stream, peer, &self.handshakes, cancelled).await.map_err(OpeningError::Tls)?;
        let certificate = PeerCertificate::of(&stream);
        Ok(server.serve(stream, certificate, slot, deadline).await)
    }
}

async fn deadline(time: Duration, mut phases: watch::Receiver<ShutdownPhase>) {
    let drained = async {
        reached(&mut phases, ShutdownPhase::Drain).await;
        let _ = timeout(TIME_WHILE_DRAINING, reached(&mut phases, ShutdownPhase::Close)).await;
    };
    // The deadline has been reached with either result.
    let _ = timeout(time, drained).await;
}
