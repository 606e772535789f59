//! A TCP proxy between Tollgate and Redis that simulates network faults.

use std::{
    net::SocketAddr,
    sync::mpsc::{Receiver, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    runtime::Builder,
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use testkit::ports::free_port;

/// How the proxy treats traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Forwards it.
    Forward,
    /// Holds it in both directions, and closes nothing: as after a partition, it arrives later.
    Hold,
    /// The same, but connections that were open then never work again: a partition that connections do not survive.
    Lose,
    /// Closes every connection and does not listen.
    Refuse,
    /// Delays every reply by this time.
    Late(Duration),
    /// Delays half of the replies by this time, and with them later ones on the same connection.
    HalfLate(Duration),
    /// Sends this instead of each reply.
    Say(&'static [u8]),
    /// Stops the proxy.
    End,
}

/// A running proxy, on a thread and runtime of its own so that nothing else delays it.
pub struct Proxy {
    pub port: u16,
    /// The current mode, and the number of partitions that connections did not survive.
    way: watch::Sender<(Treatment, u32)>,
    /// Receives a message each time it has begun or stopped listening.
    turned: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    pub fn to(port: u16) -> Self {
        let at = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let (way, receiver) = watch::channel((Treatment::Forward, 0));
        let (turns, turned) = std::sync::mpsc::channel();
        let redis = SocketAddr::from(([127, 0, 0, 1], port));
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(at, redis, receiver, &turns));
        });
        turned.recv().expect("the proxy's own port");
        Self { port: at.port(), way, turned, thread: Some(thread) }
    }

    /// Sets the mode.
    pub fn set(&mut self, way: Treatment) {
        let (before, lost) = *self.way.borrow();
        self.way.send_replace((way, lost + u32::from(way == Treatment::Lose)));
        if (before == Treatment::Refuse) != (way == Treatment::Refuse) {
            self.turned.recv().expect("the proxy's own port");
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.way.send_replace((Treatment::End, 0));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

type Outcome = watch::Receiver<(Treatment, u32)>;

async fn serve(at: SocketAddr, redis: SocketAddr, mut way: Outcome, turns: &Sender<()>) {
    loop {
        let listener = TcpListener::bind(at).await.expect("the proxy's own port");
        let _ = turns.send(());
        let (mut connections, of_connections) = (JoinSet::new(), way.clone());
        loop {
            tokio::select! {
                biased;
                _ = way.wait_for(|(way, _)| matches!(way, Treatment::Refuse | Treatment::End)) => break,
                accepted = listener.accept() => {
                    let (from, _) = accepted.expect("a connection");
                    connections.spawn(carry(from, redis, of_connections.clone()));
                }
            }
        }
        drop((listener, connections));
        if way.borrow().0 == Treatment::End {
            return;
        }
        let _ = turns.send(());
        let _ = way.wait_for(|(way, _)| *way != Treatment::Refuse).await;
    }
}

/// One connection, until either side closes it.
async fn carry(from: TcpStream, redis: SocketAddr, way: Outcome) {
    let Ok(to) = TcpStream::connect(redis).await else { return };
    from.set_nodelay(true).and(to.set_nodelay(true)).expect("a TCP socket");
    let ((from_client, to_client), (from_redis, to_redis)) = (from.into_split(), to.into_split());
    let (queue, queued) = mpsc::unbounded_channel();
    tokio::select! {
        () = questions(from_client, to_redis, way.clone()) => {}
        () = replies(from_redis, queue, way.clone()) => {}
        () = deliver(queued, to_client, way) => {}
    }
}

/// Waits until traffic may be forwarded. `lost` tells whether this connection is broken for good.
async fn free(way: &mut Outcome, lost: u32) {
    let _ = way.wait_for(|(way, now)| !matches!(way, Treatment::Hold | Treatment::Lose) && *now == lost).await;
}

async fn questions(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut way: Outcome) {
    let (mut buffer, lost) = (vec![0; 64 * 1024], way.borrow().1);
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        free(&mut way, lost).await;
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// Reads the replies of Redis, and determines when each is due.
async fn replies(mut from: OwnedReadHalf, queue: mpsc::UnboundedSender<(Instant, Vec<u8>)>, way: Outcome) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let (delay, reply) = match way.borrow().0 {
            Treatment::Late(delay) => (delay, &buffer[..length]),
            Treatment::HalfLate(delay) if fastrand::bool() => (delay, &buffer[..length]),
            Treatment::Say(words) => (Duration::ZERO, words),
            _ => (Duration::ZERO, &buffer[..length]),
        };
        if queue.send((Instant::now() + delay, reply.to_vec())).is_err() {
            return;
        }
    }
}

async fn deliver(mut queued: mpsc::UnboundedReceiver<(Instant, Vec<u8>)>, mut to: OwnedWriteHalf, mut way: Outcome) {
    let lost = way.borrow().1;
    while let Some((due, reply)) = queued.recv().await {
        sleep_until(due).await;
        free(&mut way, lost).await;
        if to.write_all(&reply).await.is_err() {
            return;
        }
    }
}
