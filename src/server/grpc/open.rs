//! The opening of a gRPC connection: after the peer's first bytes and the TLS handshake, which every listener has, the
//! preface of HTTP/2.

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
    /// Makes the service of the connection.
    pub(super) make: &'a M,
    pub(super) context: &'a ConnectionContext,
    pub(super) phases: watch::Receiver<ShutdownPhase>,
    pub(super) stats: &'a Stats,
}

impl<M> Opener<'_, M> {
    /// The connection, to be polled on this runtime; `None` if the peer has not begun one.
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

    /// Counts a peer that has begun with something else than the preface; `None`: it sent too little in time.
    fn reject(&self, greeted: Option<Greeting>, peer: &PeerContext) {
        count(&self.stats.no_preface);
        match greeted {
            Some(Greeting::Http1) => peer.reject(Reason::Http1, &"this port speaks gRPC over HTTP/2 alone"),
            Some(Greeting::Other) => {
                peer.reject(Reason::Preface, &"the connection did not begin with HTTP/2's preface");
            }
            None if !self.is_draining() => {
                peer.reject(Reason::Preface, &"the peer sent no HTTP/2 preface in time, or before its slot was needed");
            }
            _ => {}
        }
    }

    fn is_draining(&self) -> bool {
        *self.phases.borrow() >= ShutdownPhase::Drain
    }
}

/// Reads the preface, and makes the connection.
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
        let greeted = tokio::select! {
            biased;
            greeted = preface::read(&mut stream) => Some(greeted),
            () = deadline.as_mut() => None,
        };
        if greeted != Some(Greeting::Http2) {
            opener.reject(greeted, &peer);
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
