//! Accepts connections and deals them to the workers. When all slots are taken, the connection that has been silent
//! longest since it came is evicted for the next one; if all peers have spoken, the next one is refused.

use std::{
    future::poll_fn,
    io::{self, ErrorKind},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::{
    runtime::RuntimeMetrics,
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use super::{
    Listener, Stats,
    deal::Dealer,
    guards::{OpenGuard, SilentPeerGuard},
    socket::{Keepalive, Socket},
    stats::count,
    tcp::BACKLOG,
    worker::{Dealt, Worker},
};
use slot_pool::{Slot, SlotPool};

/// The first pause after accepting failed, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How long an evicted connection may take to free its slot: its worker answers calls meanwhile.
const EVICTION: Duration = Duration::from_millis(100);

/// Accepts connections for all workers.
#[derive(Debug)]
pub(super) struct Acceptor {
    pub(super) listener: Listener,
    pub(super) queues: Vec<mpsc::Sender<Dealt>>,
    pub(super) metrics: Vec<RuntimeMetrics>,
    pub(super) stats: Arc<Stats>,
    pub(super) slots: Arc<SlotPool>,
    pub(super) keepalive: Keepalive,
}

impl Acceptor {
    /// Accepts until `stop`; then takes what the system has queued already, and closes the listener and the workers'
    /// queues.
    pub(super) async fn run(self, mut stop: oneshot::Receiver<()>) {
        let mut dealer = Dealer::new(self.queues.len(), Instant::now());
        let mut trouble = Trouble::default();
        loop {
            let accepted = tokio::select! {
                accepted = poll_fn(|cx| self.listener.poll_accept(cx)) => accepted,
                _ = &mut stop => break,
            };
            match accepted {
                Ok(socket) => {
                    trouble.over();
                    let slot = self.slot().await;
                    self.deal(socket, slot, &mut dealer);
                }
                Err(error) if is_peer_error(&error) => {}
                Err(error) => {
                    count(&self.stats.accept_errors);
                    let pause = trouble.pause(&error);
                    tokio::select! {
                        () = sleep(pause) => {}
                        _ = &mut stop => break,
                    }
                }
            }
        }
        // Bounded by the length of the queue: peers that go on connecting must not delay the shutdown.
        for _ in 0..BACKLOG {
            match self.listener.accept_queued() {
                Ok(socket) => self.deal(socket, self.slots.try_acquire(), &mut dealer),
                Err(error) if is_peer_error(&error) => {}
                Err(_) => break,
            }
        }
    }

    fn deal(&self, socket: Socket, slot: Option<Slot>, dealer: &mut Dealer) {
        count(&self.stats.accepted);
        let Some(slot) = slot else {
            count(&self.stats.refused);
            return;
        };
        let open: Vec<_> = self.stats.open_by_worker().collect();
        let chosen = dealer.next(&open, |worker| Worker::busy(&self.metrics[worker]), Instant::now());
        // Fails only for a connection that its peer has closed already.
        let Ok(stream) = socket.detach(self.keepalive) else { return };
        let dealt = Dealt {
            stream,
            open: OpenGuard::new(&self.stats, chosen, slot),
            silent: SilentPeerGuard::new(&self.stats),
        };
        // A full queue means a worker that hangs: the peer is better served elsewhere.
        if self.queues[chosen].try_send(dealt).is_err() {
            count(&self.stats.refused);
        }
    }

    /// A slot; where none is free, a silent connection is evicted.
    async fn slot(&self) -> Option<Slot> {
        match self.slots.try_acquire() {
            None if self.stats.silent.load(Ordering::Relaxed) > 0 => timeout(EVICTION, self.slots.acquire()).await.ok(),
            slot => slot,
        }
    }
}

/// Whether accepting failed because of the peer: the next connection may succeed.
fn is_peer_error(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted)
}

/// The state in which accepting fails: logged when it begins and when it is over.
#[derive(Debug, Default)]
struct Trouble {
    last_pause: Option<Duration>,
}

impl Trouble {
    /// How long to pause after this error.
    fn pause(&mut self, error: &io::Error) -> Duration {
        let pause = match self.last_pause {
            Some(last) => (last * 2).min(PAUSES.1),
            None => {
                tracing::warn!("cannot accept connections: {error}; trying on (if files ran out, raise `ulimit -n`)");
                PAUSES.0
            }
        };
        self.last_pause = Some(pause);
        pause
    }

    fn over(&mut self) {
        if self.last_pause.take().is_some() {
            tracing::info!("accepting connections again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound_and_start_anew() {
        let mut trouble = Trouble::default();
        let error = io::Error::other("too many open files");
        let pauses: Vec<_> = (0..9).map(|_| trouble.pause(&error).as_millis()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        trouble.over();
        assert_eq!(trouble.pause(&error), PAUSES.0);
    }

    #[tokio::test]
    async fn every_connection_that_is_queued_at_the_end_is_dealt() {
        let listen = super::super::Listen::Tcp(std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into());
        let listener = Listener::bind(&listen).await.expect("a free port");
        let address = listener.local_addr().to_string();
        let queued: Vec<_> = (0..300).map(|_| std::net::TcpStream::connect(&address).expect("queued")).collect();
        let (queue, dealt) = mpsc::channel(1024);
        let limits = super::super::ConnectionLimits::default();
        let stats = Arc::new(Stats::new(1));
        let acceptor = Acceptor {
            listener,
            queues: vec![queue],
            metrics: vec![tokio::runtime::Handle::current().metrics()],
            stats: Arc::clone(&stats),
            slots: Arc::new(SlotPool::new(limits.max_connections)),
            keepalive: Keepalive::new(&limits),
        };
        let (stop, stopped) = oneshot::channel();
        stop.send(()).expect("the acceptor lives");
        acceptor.run(stopped).await;
        assert_eq!((stats.accepted(), dealt.len()), (queued.len() as u64, queued.len()));
    }
}
