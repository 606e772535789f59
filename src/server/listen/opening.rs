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

/// Resolves when the time for the opening of a connection is up.
pub(in crate::server) type Deadline = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves the stream of a connection, whatever its type.
pub(in crate::server) trait ServeStream: Send {
    /// What becomes of it.
    type Output;

    /// Serves the stream of a peer that has shown this certificate. `deadline` is that of the opening, for a protocol
    /// that has an opening of its own.
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
    /// The peer sent nothing in time, or before its slot was needed.
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
    time_while_draining: Duration,
}

impl Opening {
    /// `time` is what an opening may take as a whole. Of one that is not finished when the drain begins,
    /// `time_while_draining` is left.
    pub(in crate::server) fn new(tls: Option<Arc<ServerTls>>, time: Duration, time_while_draining: Duration) -> Self {
        Self { tls, handshakes: Gate::default(), time, time_while_draining }
    }

    /// Opens a connection, and has `server` serve its stream.
    pub(in crate::server) async fn open<S: ServeStream>(
        &self,
        socket: Socket,
        slot: &mut ConnectionSlot,
        phases: watch::Receiver<ShutdownPhase>,
        server: S,
    ) -> Result<S::Output, OpeningError> {
        let peer = socket.peer();
        let deadline = Box::pin(deadline(self.time, self.time_while_draining, phases));
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
        let over = async {
            if is_silent {
                return;
            }
            tokio::select! {
                () = deadline.as_mut() => {}
                () = slot.evicted() => {}
            }
        };
        let stream = tls.accept(stream, peer, &self.handshakes, over).await.map_err(OpeningError::Tls)?;
        let certificate = PeerCertificate::of(&stream);
        Ok(server.serve(stream, certificate, slot, deadline).await)
    }
}

async fn deadline(time: Duration, time_while_draining: Duration, mut phases: watch::Receiver<ShutdownPhase>) {
    let drained = async {
        reached(&mut phases, ShutdownPhase::Drain).await;
        let _ = timeout(time_while_draining, reached(&mut phases, ShutdownPhase::Close)).await;
    };
    // Over either way.
    let _ = timeout(time, drained).await;
}
