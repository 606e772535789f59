//! A transport whose other side is controlled by a test.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::yield_now,
};
use wire::{Buffers, Config, Served};

use crate::support::{
    frames::{Frame, settings, settings_ack, take_frames},
    handler::{Remote, TestHandler},
};

/// The state of the other side of a [`Transport`].
#[derive(Debug, Default)]
pub struct Peer {
    /// The bytes that are read next.
    pub incoming: VecDeque<u8>,
    /// Read repeatedly once `incoming` is empty.
    pub endless: Vec<u8>,
    pub is_closed: bool,
    /// How many bytes can be written.
    pub room: usize,
    pub written: Vec<u8>,
    pub is_shut: bool,
    pub reads: usize,
}

/// A transport in memory.
#[derive(Clone, Debug, Default)]
pub struct Transport(Arc<Mutex<Peer>>);

impl Transport {
    pub fn peer(&self) -> MutexGuard<'_, Peer> {
        self.0.lock().expect("no panic")
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut peer = self.peer();
        peer.reads += 1;
        if peer.incoming.is_empty() {
            let endless = peer.endless.clone();
            peer.incoming.extend(endless);
        }
        if peer.incoming.is_empty() && !peer.is_closed {
            return Poll::Pending;
        }
        let length = peer.incoming.len().min(buffer.remaining());
        let bytes: Vec<_> = peer.incoming.drain(..length).collect();
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut peer = self.peer();
        let length = bytes.len().min(peer.room);
        if length == 0 {
            return Poll::Pending;
        }
        peer.room -= length;
        peer.written.extend_from_slice(&bytes[..length]);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.peer().is_shut = true;
        Poll::Ready(Ok(()))
    }
}

#[derive(Debug, Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// A connection that is polled by hand.
#[derive(Debug)]
pub struct Driven {
    pub served: Served<Transport, TestHandler>,
    pub transport: Transport,
    pub remote: Arc<Remote>,
    wakes: Arc<Wakes>,
}

impl Driven {
    /// A connection after the exchange of SETTINGS, whose peer reads everything.
    pub async fn new(config: Config) -> Self {
        let transport = Transport::default();
        let handler = TestHandler::default();
        let remote = Arc::clone(&handler.remote);
        let served = Served::new(transport.clone(), handler, &Arc::new(config), &Buffers::default());
        let mut driven = Self { served, transport, remote, wakes: Arc::default() };
        driven.transport.peer().room = usize::MAX;
        assert!(!driven.send(&[settings(&[]), settings_ack()].concat()).await);
        driven.frames();
        driven
    }

    /// Polls the connection once. Returns whether it has ended.
    pub fn poll(&mut self) -> bool {
        self.wakes.0.store(0, Relaxed);
        let waker = Waker::from(Arc::clone(&self.wakes));
        Pin::new(&mut self.served).poll(&mut Context::from_waker(&waker)).is_ready()
    }

    /// Whether its task was woken since it was last polled.
    pub async fn is_woken(&self) -> bool {
        // for wakers that the runtime has deferred
        yield_now().await;
        self.wakes.0.load(Relaxed) > 0
    }

    /// Polls the connection until it waits. Returns whether it has ended.
    pub async fn run(&mut self) -> bool {
        for _ in 0..10_000 {
            if self.poll() {
                return true;
            }
            if !self.is_woken().await {
                return false;
            }
        }
        panic!("the connection wakes itself for ever");
    }

    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        self.transport.peer().incoming.extend(bytes);
        self.run().await
    }

    /// The complete frames written since the last time.
    pub fn frames(&mut self) -> Vec<Frame> {
        take_frames(&mut self.transport.peer().written)
    }
}
