//! The beginning of a connection: the peer speaks, is secured if the listener is, and sends HTTP/2's preface, all in
//! time.

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
    guards::Silent,
    http2::{Broken, Connection},
    io::PeerIo,
    order::{Order, ordered},
    peer::{PeerContext, RemotePeer},
    preface::{self, Greeting},
    service::GrpcService,
    socket::Parcel,
    stats::count,
    terms::Terms,
    turn::Turn,
};
use crate::{
    rejections::Reason,
    tls::{self, HandshakeError, Peer, PeerCertificate},
};

/// How long a peer that has only just connected when the drain begins has for its handshake and preface.
const PREFACE_WHILE_DRAINING: Duration = Duration::from_secs(1);

/// What it takes to begin a connection.
#[derive(Debug)]
pub(super) struct Beginning<'a, M> {
    /// Makes what serves the connection.
    pub(super) make: &'a M,
    pub(super) terms: &'a Terms,
    pub(super) orders: watch::Receiver<Order>,
    pub(super) stats: &'a Stats,
}

/// See [`patience`].
type Patience = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<M> Beginning<'_, M> {
    /// The connection, which is to be polled on the worker's runtime; `None` if it has not come to be one.
    pub(super) async fn connection<S, B>(&self, parcel: Parcel, silent: Silent) -> Option<Pin<Box<dyn Connection>>>
    where
        M: Fn(RemotePeer) -> S,
        S: GrpcService<B>,
        B: Body<Error: Into<Broken>, Data: Send> + Send + 'static,
    {
        let peer = PeerContext { name: parcel.peer(), rejections: Arc::clone(&self.terms.rejections) };
        let lost = match parcel {
            Parcel::Tcp(stream) => match TcpStream::from_std(stream) {
                Ok(stream) => return self.secure(stream, peer, silent).await,
                Err(error) => error,
            },
            Parcel::Unix(stream) => match UnixStream::from_std(stream) {
                Ok(stream) => return self.secure(stream, peer, silent).await,
                Err(error) => error,
            },
        };
        tracing::warn!("cannot serve an accepted connection: {lost}");
        None
    }

    /// Waits for the peer to speak, unless its slot is wanted meanwhile, and finishes the TLS handshake, where there
    /// is one to do, before anything is served.
    async fn secure<T, S, B>(&self, stream: T, peer: PeerContext, silent: Silent) -> Option<Pin<Box<dyn Connection>>>
    where
        M: Fn(RemotePeer) -> S,
        T: Peer + Send + 'static,
        S: GrpcService<B>,
        B: Body<Error: Into<Broken>, Data: Send> + Send + 'static,
    {
        let Self { terms, orders, .. } = self;
        let mut patience: Patience = Box::pin(patience(terms.preface_timeout, orders.clone()));
        let given_up = tokio::select! {
            biased;
            _ = stream.heard() => false,
            () = patience.as_mut() => true,
            () = terms.slots.evicted() => true,
        };
        drop(silent);
        if given_up {
            patience = Box::pin(ready(()));
        }
        let Some(tls) = &terms.tls else {
            return self.greet(stream, None, peer, patience).await;
        };
        match tls.accept(stream, &peer.name, &terms.handshakes, patience.as_mut()).await {
            Ok(stream) => {
                let certificate = PeerCertificate::of(&stream);
                return self.greet(stream, certificate, peer, patience).await;
            }
            // Left of its own accord, as TCP health checks do.
            Err(HandshakeError { reason: tls::Reason::Closed, .. }) => {}
            Err(HandshakeError { reason: tls::Reason::Timeout, .. }) if *orders.borrow() >= Order::Drain => {}
            // Logged there.
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
        let terms = self.terms;
        let service = (self.make)(RemotePeer { name: peer.name.clone(), certificate });
        Some(match terms.http2 {
            Http2::Wire => Box::pin(wire::Served::new(stream, service, &terms.wire, &terms.buffers)),
            Http2::Hyper => {
                let turn = Turn::default();
                let io = TokioIo::new(PeerIo::new(turn.paced(stream), peer));
                Box::pin(turn.each(Box::pin(terms.hyper.serve_connection(io, service))))
            }
        })
    }

    /// Counts a peer that has not begun with the preface, or `None`, not in time.
    fn refuse(&self, greeted: Option<Greeting>, peer: &PeerContext) {
        count(&self.stats.no_preface);
        let draining = *self.orders.borrow() >= Order::Drain;
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

/// Ends when a peer has had its time to say something useful: its handshake and its preface, together.
async fn patience(whole: Duration, mut orders: watch::Receiver<Order>) {
    let drained = async {
        ordered(&mut orders, Order::Drain).await;
        let _ = timeout(PREFACE_WHILE_DRAINING, ordered(&mut orders, Order::Close)).await;
    };
    // However it ends, it is over.
    let _ = timeout(whole, drained).await;
}
