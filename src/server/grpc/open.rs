//! The opening of a gRPC connection: the peer's first bytes and the TLS handshake, as for every listener, and then the
//! HTTP/2 preface.

use std::{pin::Pin, sync::Arc};

use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};

use super::{
    Http2, Stats,
    context::ConnectionContext,
    http2::Connection,
    io::PeerIo,
    peer::{PeerContext, RemotePeer},
    preface::{self, Greeting},
    service::GrpcService,
    stats::count,
    turn::Turn,
};
use crate::{
    rejections::Reason,
    server::listen::{ConnectionSlot, Deadline, OpeningError, ServeStream, ShutdownPhase, Socket},
};
use tls::{HandshakeError, PeerCertificate};

/// Opens connections.
#[derive(Debug)]
pub(super) struct Opener<'a, M> {
    /// Makes the service of a connection.
    pub(super) make: &'a M,
    pub(super) context: &'a ConnectionContext,
    pub(super) phases: watch::Receiver<ShutdownPhase>,
    pub(super) stats: &'a Stats,
}

impl<M> Opener<'_, M> {
    /// The open connection, which must be polled on this runtime; `None` if it ended before it was open, in which case
    /// a rejection has been counted.
    pub(super) async fn open<S>(&self, socket: Socket, slot: &mut ConnectionSlot) -> Option<Pin<Box<dyn Connection>>>
    where
        M: Fn(RemotePeer) -> S + Sync,
        S: GrpcService,
    {
        let peer = PeerContext { name: socket.peer(), rejections: Arc::clone(&self.context.rejections) };
        let reader = PrefaceReader { opener: self, peer: peer.clone() };
        match self.context.opening.open(socket, slot, self.phases.clone(), reader).await {
            Ok(connection) => return connection,
            Err(OpeningError::Silent) => self.reject(None, &peer),
            // The peer closed the connection, as TCP health checks do.
            Err(OpeningError::Tls(HandshakeError { reason: tls::Reason::Closed, .. })) => {}
            Err(OpeningError::Tls(HandshakeError { reason: tls::Reason::Timeout, .. })) if self.is_draining() => {}
            // Logged by the handshake.
            Err(OpeningError::Tls(_)) => peer.count(Reason::TlsHandshake),
        }
        None
    }

    /// Counts a connection that began with something other than the preface; `greeting` is `None` if the peer did not
    /// send enough in time.
    fn reject(&self, greeting: Option<Greeting>, peer: &PeerContext) {
        count(&self.stats.no_preface);
        match greeting {
            Some(Greeting::Http1) => peer.reject(Reason::Http1, &"this port serves only gRPC over HTTP/2"),
            Some(Greeting::Other) => {
                peer.reject(Reason::Preface, &"the connection did not begin with the HTTP/2 preface");
            }
            None if !self.is_draining() => {
                peer.reject(Reason::Preface, &"the peer sent no HTTP/2 preface in time, or before it was evicted");
            }
            _ => {}
        }
    }

    fn is_draining(&self) -> bool {
        *self.phases.borrow() >= ShutdownPhase::Drain
    }
}

/// Reads the preface, and makes the HTTP/2 connection.
struct PrefaceReader<'a, M> {
    opener: &'a Opener<'a, M>,
    peer: PeerContext,
}

impl<M, S> ServeStream for PrefaceReader<'_, M>
where
    M: Fn(RemotePeer) -> S + Sync,
    S: GrpcService,
{
    type Output = Option<Pin<Box<dyn Connection>>>;

    async fn serve<T>(
        self,
        mut stream: T,
        certificate: Option<PeerCertificate>,
        _: &ConnectionSlot,
        mut deadline: Deadline,
    ) -> Self::Output
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { opener, peer } = self;
        let greeting = tokio::select! {
            biased;
            greeting = preface::read(&mut stream) => Some(greeting),
            () = deadline.as_mut() => None,
        };
        if greeting != Some(Greeting::Http2) {
            opener.reject(greeting, &peer);
            return None;
        }
        let context = opener.context;
        let service = (opener.make)(RemotePeer { name: peer.name.clone(), certificate });
        let connection: Pin<Box<dyn Connection>> = match context.http2 {
            Http2::Wire => Box::pin(wire::Served::new(stream, service, &context.wire, &context.buffers)),
            Http2::Hyper => {
                let turn = Turn::default();
                let io = TokioIo::new(PeerIo::new(turn.paced(stream), peer));
                Box::pin(turn.each(Box::pin(context.hyper.serve_connection(io, service))))
            }
        };
        Some(connection)
    }
}
