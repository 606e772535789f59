//! The beginning of a connection: the peer's first bytes, the TLS handshake if the listener has one, and HTTP/2's
//! preface, all within a time limit.

use std::{future::ready, pin::Pin, sync::Arc, time::Duration};

use hyper::body::Body;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    sync::watch,
    time::timeout,
};

use super::{
    Http2, Stats,
    context::ConnectionContext,
    guards::SilentPeerGuard,
    http2::{Broken, Connection},
    io::PeerIo,
    peer::{PeerContext, RemotePeer},
    phase::{ShutdownPhase, reached},
    preface::{self, Greeting},
    service::GrpcService,
    socket::DetachedStream,
    stats::count,
    turn::Turn,
};
use crate::rejections::Reason;
use tls::{HandshakeError, Peer, PeerCertificate};

/// The time for handshake and preface of a peer that has just connected when the drain begins.
const PREFACE_WHILE_DRAINING: Duration = Duration::from_secs(1);

/// What the beginning of a connection needs.
#[derive(Debug)]
pub(super) struct Beginning<'a, M> {
    /// Makes the service of the connection.
    pub(super) make: &'a M,
    pub(super) context: &'a ConnectionContext,
    pub(super) phases: watch::Receiver<ShutdownPhase>,
    pub(super) stats: &'a Stats,
}

/// See [`patience`].
type Patience = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<M> Beginning<'_, M> {
    /// The connection, to be polled on the worker's runtime; `None` if the peer has not begun one.
    pub(super) async fn connection<S, B>(
        &self,
        stream: DetachedStream,
        silent: SilentPeerGuard,
    ) -> Option<Pin<Box<dyn Connection>>>
    where
        M: Fn(RemotePeer) -> S,
        S: GrpcService<B>,
        B: Body<Error: Into<Broken>, Data: Send> + Send + 'static,
    {
        let peer = PeerContext { name: stream.peer(), rejections: Arc::clone(&self.context.rejections) };
        let lost = match stream {
            DetachedStream::Tcp(stream) => match TcpStream::from_std(stream) {
                Ok(stream) => return self.secure(stream, peer, silent).await,
                Err(error) => error,
            },
            DetachedStream::Unix(stream) => match UnixStream::from_std(stream) {
                Ok(stream) => return self.secure(stream, peer, silent).await,
                Err(error) => error,
            },
        };
        tracing::warn!("cannot serve an accepted connection: {lost}");
        None
    }

    /// Waits for the peer's first bytes, unless the connection is evicted meanwhile; then does the TLS handshake, if
    /// any.
    async fn secure<T, S, B>(
        &self,
        stream: T,
        peer: PeerContext,
        silent: SilentPeerGuard,
    ) -> Option<Pin<Box<dyn Connection>>>
    where
        M: Fn(RemotePeer) -> S,
        T: Peer + Send + 'static,
        S: GrpcService<B>,
        B: Body<Error: Into<Broken>, Data: Send> + Send + 'static,
    {
        let Self { context, phases, .. } = self;
        let mut patience: Patience = Box::pin(patience(context.preface_timeout, phases.clone()));
        let given_up = tokio::select! {
            biased;
            _ = stream.wait_readable() => false,
            () = patience.as_mut() => true,
            () = context.slots.evicted() => true,
        };
        drop(silent);
        if given_up {
            patience = Box::pin(ready(()));
        }
        let Some(tls) = &context.tls else {
            return self.greet(stream, None, peer, patience).await;
        };
        match tls.accept(stream, &peer.name, &context.handshakes, patience.as_mut()).await {
            Ok(stream) => {
                let certificate = PeerCertificate::of(&stream);
                return self.greet(stream, certificate, peer, patience).await;
            }
            // The peer closed the connection, as TCP health checks do.
            Err(HandshakeError { reason: tls::Reason::Closed, .. }) => {}
            Err(HandshakeError { reason: tls::Reason::Timeout, .. }) if *phases.borrow() >= ShutdownPhase::Drain => {}
            // Logged by the handshake.
            Err(_) => peer.count(Reason::TlsHandshake),
        }
        None
    }

    /// Reads the preface.
    async fn greet<T, S, B>(
        &self,
        mut stream: T,
        certificate: Option<PeerCertificate>,
        peer: PeerContext,
        mut patience: Patience,
    ) -> Option<Pin<Box<dyn Connection>>>
    where
        M: Fn(RemotePeer) -> S,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: GrpcService<B>,
        B: Body<Error: Into<Broken>, Data: Send> + Send + 'static,
    {
        let greeted = tokio::select! {
            biased;
            greeted = preface::read(&mut stream) => Some(greeted),
            () = patience.as_mut() => None,
        };
        if greeted != Some(Greeting::Http2) {
            self.refuse(greeted, &peer);
            return None;
        }
        let context = self.context;
        let service = (self.make)(RemotePeer { name: peer.name.clone(), certificate });
        Some(match context.http2 {
            Http2::Wire => Box::pin(wire::Served::new(stream, service, &context.wire, &context.buffers)),
            Http2::Hyper => {
                let turn = Turn::default();
                let io = TokioIo::new(PeerIo::new(turn.paced(stream), peer));
                Box::pin(turn.each(Box::pin(context.hyper.serve_connection(io, service))))
            }
        })
    }

    /// Counts a peer that has begun with something else than the preface; `None`: it sent too little in time.
    fn refuse(&self, greeted: Option<Greeting>, peer: &PeerContext) {
        count(&self.stats.no_preface);
        let draining = *self.phases.borrow() >= ShutdownPhase::Drain;
        match greeted {
            Some(Greeting::Http1) => peer.reject(Reason::Http1, &"this port speaks gRPC over HTTP/2 alone"),
            Some(Greeting::Other) => {
                peer.reject(Reason::Preface, &"the connection did not begin with HTTP/2's preface");
            }
            None if !draining => {
                peer.reject(Reason::Preface, &"the peer sent no HTTP/2 preface in time, or before its slot was needed");
            }
            _ => {}
        }
    }
}

/// Ends when the time for a peer's handshake and preface together is up.
async fn patience(whole: Duration, mut phases: watch::Receiver<ShutdownPhase>) {
    let drained = async {
        reached(&mut phases, ShutdownPhase::Drain).await;
        let _ = timeout(PREFACE_WHILE_DRAINING, reached(&mut phases, ShutdownPhase::Close)).await;
    };
    // Over either way.
    let _ = timeout(whole, drained).await;
}
