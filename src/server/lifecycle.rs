//! The server as its owner sees it: started, drained, stopped.

use std::{error::Error, io, sync::Arc, thread, time::Duration};

use hyper::body::Body;
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

use super::{
    Listener, LocalAddr, ServerConfig, ServerContext, Stats, WorkerId,
    accept::Acceptor,
    context::ConnectionContext,
    peer::RemotePeer,
    phase::ShutdownPhase,
    service::GrpcService,
    socket::Keepalive,
    worker::{self, Worker},
};
use slot_pool::SlotPool;

/// How long closed connections and ended runtimes may take to disappear.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why the server did not start. Workers that had started are gone again.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system has no thread or runtime to give.
    #[error("cannot start {worker}: {error}; check the limits on threads and open files")]
    Worker {
        /// Which.
        worker: WorkerId,
        /// What the system said.
        error: io::Error,
    },
    /// Making the worker's service panicked; the panic itself has been printed.
    #[error("cannot start {0}: making its service panicked")]
    Service(WorkerId),
}

/// How a drain went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainReport {
    /// Connections that finished their calls and closed.
    pub drained: u64,
    /// Connections closed at the deadline.
    pub forced: u64,
    /// Workers that hang in a call that never yields; their threads are left behind.
    pub stuck_workers: usize,
}

/// A running server. Dropped without [`Server::drain`], it closes its listener and every connection at once.
#[derive(Debug)]
pub struct Server {
    local: LocalAddr,
    stats: Arc<Stats>,
    phases: watch::Sender<ShutdownPhase>,
    stop_accepting: oneshot::Sender<()>,
    acceptor: JoinHandle<()>,
    workers: Vec<(oneshot::Receiver<()>, thread::JoinHandle<()>)>,
}

impl Server {
    /// Starts the workers, and then accepts on this runtime. `factory` is called once on each worker's runtime (where
    /// it may spawn), and what it returns once for each connection, with its peer, for what serves that connection.
    ///
    /// # Errors
    /// If a worker cannot start.
    pub async fn start<M, S, B, F>(
        config: &ServerConfig,
        context: &ServerContext,
        listener: Listener,
        factory: F,
    ) -> Result<Self, StartError>
    where
        F: Fn(WorkerId) -> M + Send + Sync + 'static,
        M: Fn(RemotePeer) -> S + Send + Sync + 'static,
        S: GrpcService<B>,
        B: Body<Error: Into<Box<dyn Error + Send + Sync>>, Data: Send> + Send + 'static,
    {
        let factory = Arc::new(factory);
        let count = config.workers.get();
        let stats = Arc::new(Stats::new(count));
        let slots = Arc::new(SlotPool::new(config.limits.max_connections));
        let held = Arc::new(wire::HeldReplies::new(config.limits.max_held_replies));
        let (phases, _) = watch::channel(ShutdownPhase::Serve);
        let (mut queues, mut metrics, mut workers, mut starting) = (vec![], vec![], vec![], vec![]);
        for id in (0..count).map(WorkerId) {
            let factory = Arc::clone(&factory);
            let shared = ConnectionContext::new(config, context, Arc::clone(&held), Arc::clone(&slots));
            let started = worker::start(id, shared, &stats, move |id| factory(id), phases.subscribe());
            let (worker, ready) = started.map_err(|error| StartError::Worker { worker: id, error })?;
            let Worker { queue, metrics: measured, done, thread } = worker;
            queues.push(queue);
            metrics.push(measured);
            workers.push((done, thread));
            starting.push((id, ready));
        }
        for (id, ready) in starting {
            ready.await.map_err(|_| StartError::Service(id))?;
        }
        // set once: here
        let _ = stats.runtimes.set(metrics.iter().cloned().collect());
        let local = listener.local_addr().clone();
        let (stop_accepting, stop) = oneshot::channel();
        let acceptor = Acceptor {
            listener,
            queues,
            metrics,
            stats: Arc::clone(&stats),
            slots,
            keepalive: Keepalive::new(&config.limits),
        };
        let acceptor = tokio::spawn(acceptor.run(stop));
        Ok(Self { local, stats, phases, stop_accepting, acceptor, workers })
    }

    /// Where it listens, its port resolved.
    #[must_use]
    pub fn local_addr(&self) -> &LocalAddr {
        &self.local
    }

    /// Its counts; they outlive it.
    #[must_use]
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    /// Closes the listener, sends GOAWAY to every peer, lets calls in flight finish until the deadline, closes the
    /// remaining connections, and joins the workers' threads. Takes at most two seconds more than `deadline`.
    pub async fn drain(self, deadline: Duration) -> DrainReport {
        let Self { stats, phases, stop_accepting, acceptor, workers, .. } = self;
        let deadline = Instant::now().checked_add(deadline);
        let forced_before = stats.forced();
        let _ = stop_accepting.send(());
        // Ends by itself; a panic in it has been printed.
        let _ = acceptor.await;
        let open = stats.open() as u64;
        phases.send_replace(ShutdownPhase::Drain);

        let mut running = Vec::new();
        for (mut done, thread) in workers {
            let in_time = match deadline {
                Some(deadline) => timeout_at(deadline, &mut done).await.is_ok(),
                None => {
                    let _ = (&mut done).await;
                    true
                }
            };
            if in_time { join(thread) } else { running.push((done, thread)) }
        }
        phases.send_replace(ShutdownPhase::Close);
        let mut stuck_workers = 0;
        for (done, thread) in running {
            match timeout(CLOSE_TIMEOUT, done).await {
                Ok(_) => join(thread),
                Err(_) => stuck_workers += 1,
            }
        }
        let forced = stats.forced() - forced_before + stats.open() as u64;
        DrainReport { drained: open.saturating_sub(forced), forced, stuck_workers }
    }
}

/// Joins a thread that is done, so this does not block. If it panicked, that has been printed.
fn join(thread: thread::JoinHandle<()>) {
    let _ = thread.join();
}
