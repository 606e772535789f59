//! What stands between Tollgate and Redis where the network is at fault: a TCP proxy that can be told how to fail.

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

/// What it does with what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Carries it.
    Forward,
    /// Keeps it, in both directions, and closes nothing: what is sent again after a partition arrives after all.
    Hold,
    /// The same, and what was open then is kept for ever: a partition that connections do not survive.
    Lose,
    /// Closes every connection, and nobody listens.
    Refuse,
    /// Brings every reply so much later.
    Late(Duration),
    /// Brings half of the replies so much later, and what is behind one of those on its connection with it.
    HalfLate(Duration),
    /// Says this in place of each reply.
    Say(&'static [u8]),
    /// Ends.
    End,
}

/// A running proxy, on a thread and a runtime of its own so that its delays are its own.
pub struct Proxy {
    pub port: u16,
    /// With the number of partitions that connections did not survive.
    way: watch::Sender<(Way, u32)>,
    /// A word each time it has begun to listen, or ceased to.
    turned: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    pub fn to(port: u16) -> Self {
        let at = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let (way, told) = watch::channel((Way::Forward, 0));
        let (turns, turned) = std::sync::mpsc::channel();
        let redis = SocketAddr::from(([127, 0, 0, 1], port));
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(at, redis, told, &turns));
        });
        turned.recv().expect("the proxy's own port");
        Self { port: at.port(), way, turned, thread: Some(thread) }
    }

    /// From now on.
    pub fn set(&mut self, way: Way) {
        let (before, lost) = *self.way.borrow();
        self.way.send_replace((way, lost + u32::from(way == Way::Lose)));
        if (before == Way::Refuse) != (way == Way::Refuse) {
            self.turned.recv().expect("the proxy's own port");
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.way.send_replace((Way::End, 0));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

type Told = watch::Receiver<(Way, u32)>;

async fn serve(at: SocketAddr, redis: SocketAddr, mut way: Told, turns: &Sender<()>) {
    loop {
        let listener = TcpListener::bind(at).await.expect("the proxy's own port");
        let _ = turns.send(());
        let (mut connections, of_connections) = (JoinSet::new(), way.clone());
        loop {
            tokio::select! {
                biased;
                _ = way.wait_for(|(way, _)| matches!(way, Way::Refuse | Way::End)) => break,
                accepted = listener.accept() => {
                    let (from, _) = accepted.expect("a connection");
                    connections.spawn(carry(from, redis, of_connections.clone()));
                }
            }
        }
        drop((listener, connections));
        if way.borrow().0 == Way::End {
            return;
        }
        let _ = turns.send(());
        let _ = way.wait_for(|(way, _)| *way != Way::Refuse).await;
    }
}

/// One connection, until either side closes it.
async fn carry(from: TcpStream, redis: SocketAddr, way: Told) {
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

/// Until what is here may go on its way. Knows by `lost` whether this connection is lost.
async fn free(way: &mut Told, lost: u32) {
    let _ = way.wait_for(|(way, now)| !matches!(way, Way::Hold | Way::Lose) && *now == lost).await;
}

async fn questions(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut way: Told) {
    let (mut buffer, lost) = (vec![0; 64 * 1024], way.borrow().1);
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        free(&mut way, lost).await;
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// Reads what Redis replies, and says when it is due.
async fn replies(mut from: OwnedReadHalf, queue: mpsc::UnboundedSender<(Instant, Vec<u8>)>, way: Told) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let (delay, reply) = match way.borrow().0 {
            Way::Late(delay) => (delay, &buffer[..length]),
            Way::HalfLate(delay) if fastrand::bool() => (delay, &buffer[..length]),
            Way::Say(words) => (Duration::ZERO, words),
            _ => (Duration::ZERO, &buffer[..length]),
        };
        if queue.send((Instant::now() + delay, reply.to_vec())).is_err() {
            return;
        }
    }
}

async fn deliver(mut queued: mpsc::UnboundedReceiver<(Instant, Vec<u8>)>, mut to: OwnedWriteHalf, mut way: Told) {
    let lost = way.borrow().1;
    while let Some((due, reply)) = queued.recv().await {
        sleep_until(due).await;
        free(&mut way, lost).await;
        if to.write_all(&reply).await.is_err() {
            return;
        }
    }
}
