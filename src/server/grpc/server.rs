//! The gRPC server: starts the workers and the acceptor, and drains them.

use std::{io, pin::Pin, sync::Arc, thread, time::Duration};

use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::Instant,
};

use super::{
    ServerConfig, ServerContext, Stats, WorkerId,
    assign::Assigner,
    context::ConnectionContext,
    peer::RemotePeer,
    service::GrpcService,
    worker::{self, Worker},
};
use crate::server::listen::{
    Acceptor, ConnectionSlots, Eviction, Listener, LocalAddr, ShutdownPhase, SocketOptions, drain,
};

/// Why the server did not start. Workers that had started are stopped.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system could not make a thread or a runtime.
    #[error("cannot start {worker}: {error}; check the limits on threads and open files")]
    Worker {
        /// The worker.
        worker: WorkerId,
        /// The system's error.
        error: io::Error,
    },
    /// Making the worker's service panicked; the panic itself has been printed.
    #[error("cannot start {0}: making its service panicked")]
    Service(WorkerId),
}

/// The result of a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainReport {
    /// Connections that finished their calls and closed.
    pub drained: u64,
    /// Connections closed at the deadline.
    pub forced: u64,
    /// Workers that are stuck in a call that never yields; their threads keep running.
    pub stuck_workers: usize,
}

/// A running server. If it is dropped without [`GrpcServer::drain`], its listener and all connections close at once.
#[derive(Debug)]
pub struct GrpcServer {
    local: LocalAddr,
    stats: Arc<Stats>,
    phases: watch::Sender<ShutdownPhase>,
    stop_accepting: oneshot::Sender<()>,
    acceptor: JoinHandle<()>,
    workers: Vec<(oneshot::Receiver<()>, thread::JoinHandle<()>)>,
}

impl GrpcServer {
    /// Starts the workers, then accepts connections in a task of the current runtime.
    ///
    /// `factory` is called once on the runtime of each worker, where it may spawn tasks. It returns a function that is
    /// called once for each connection with the peer, and returns the service of the connection.
    ///
    /// # Errors
    /// If a worker cannot start.
    pub async fn start<M, S, F>(
        config: &ServerConfig,
        context: &ServerContext,
        listener: Listener,
        factory: F,
    ) -> Result<Self, StartError>
    where
        F: Fn(WorkerId) -> M + Send + Sync + 'static,
        M: Fn(RemotePeer) -> S + Send + Sync + 'static,
        S: GrpcService,
    {
        let factory = Arc::new(factory);
        let count = config.workers.get();
        let stats = Arc::new(Stats::new(count));
        let held = Arc::new(wire::HeldReplies::new(config.limits.max_held_replies));
        let (phases, _) = watch::channel(ShutdownPhase::Serve);
        let (mut queues, mut metrics, mut workers, mut starting) = (vec![], vec![], vec![], vec![]);
        for id in (0..count).map(WorkerId) {
            let factory = Arc::clone(&factory);
            let shared = ConnectionContext::new(config, context, Arc::clone(&held));
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
        // never an error: nothing else sets it
        let _ = stats.runtimes.set(metrics.iter().cloned().collect());
        let local = listener.local_addr().clone();
        let (stop_accepting, stop) = oneshot::channel();
        let limits = &config.limits;
        let acceptor = Acceptor {
            listener,
            slots: ConnectionSlots::new(limits.max_connections, Eviction::Silent),
            options: SocketOptions::with_keepalive(limits.keepalive_interval, limits.keepalive_timeout),
        };
        let mut assigner = Assigner::new(queues, metrics, Arc::clone(&stats));
        let acceptor = tokio::spawn(async move {
            // an error means that the server was dropped
            acceptor.run(&mut assigner, async { drop(stop.await) }).await;
        });
        Ok(Self { local, stats, phases, stop_accepting, acceptor, workers })
    }

    /// The address that it listens on.
    #[must_use]
    pub fn local_addr(&self) -> &LocalAddr {
        &self.local
    }

    /// Its statistics, which remain available after the drain.
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
        // It ends by itself; a panic in it has been printed.
        let _ = acceptor.await;
        let open = stats.open() as u64;
        let stuck_workers = drain(&phases, deadline, workers.into_iter().map(ended).collect()).await;
        let forced = stats.forced() - forced_before + stats.open() as u64;
        DrainReport { drained: open.saturating_sub(forced), forced, stuck_workers }
    }
}

/// Resolves when a worker has ended.
fn ended((done, thread): (oneshot::Receiver<()>, thread::JoinHandle<()>)) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        // an error means that the worker panicked, which has been printed
        let _ = done.await;
        // does not block for long: the thread is about to end
        let _ = thread.join();
    })
}
