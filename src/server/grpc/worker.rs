//! A worker: one thread with one current-thread runtime, which serves the connections assigned to it.

use std::{io, sync::Arc, thread, time::Duration};

use tokio::{
    runtime::{Builder, Runtime, RuntimeMetrics},
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};

use super::{
    Stats, WorkerId, connection, context::ConnectionContext, open::Opener, open_guard::OpenGuard, peer::RemotePeer,
    service::GrpcService,
};
use crate::server::listen::{ConnectionSlot, DetachedSocket, ShutdownPhase};

/// The maximum number of connections that are queued for a worker.
const QUEUE: usize = 1024;

/// A handle on a worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) queue: mpsc::Sender<Assigned>,
    pub(super) metrics: RuntimeMetrics,
    /// Resolves when the thread is about to end.
    pub(super) done: oneshot::Receiver<()>,
    pub(super) thread: thread::JoinHandle<()>,
}

impl Worker {
    /// How long the worker has been busy since it started.
    pub(super) fn busy(metrics: &RuntimeMetrics) -> Duration {
        metrics.worker_total_busy_duration(0)
    }
}

/// A connection that is assigned to a worker, with its slot and the guard that counts it as open.
#[derive(Debug)]
pub(super) struct Assigned {
    pub(super) socket: DetachedSocket,
    pub(super) slot: ConnectionSlot,
    pub(super) open: OpenGuard,
}

/// Starts a worker's thread. `factory` is called on it; the function that it returns makes the service of each
/// connection. The receiver resolves when the worker is ready, and fails if `factory` panicked.
///
/// # Errors
/// If the system cannot make a thread or a runtime.
pub(super) fn start<M, S, F>(
    id: WorkerId,
    context: ConnectionContext,
    stats: &Arc<Stats>,
    factory: F,
    phases: watch::Receiver<ShutdownPhase>,
) -> io::Result<(Worker, oneshot::Receiver<()>)>
where
    F: FnOnce(WorkerId) -> M + Send + 'static,
    M: Fn(RemotePeer) -> S + Send + Sync + 'static,
    S: GrpcService,
{
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let metrics = runtime.metrics();
    let (queue, assigned) = mpsc::channel(QUEUE);
    let (ready, is_ready) = oneshot::channel();
    let (finished, done) = oneshot::channel();
    let context = Arc::new(context);
    let stats = Arc::clone(stats);
    let thread = thread::Builder::new().name(id.to_string()).spawn(move || {
        let main = async move {
            let make = factory(id);
            // an error means that starting was given up because of another worker
            let _ = ready.send(());
            tokio::select! {
                () = serve_all(make, &context, assigned, phases) => {
                    if let Some(probe) = stats.probes.get(id.index()) {
                        probe.end();
                    }
                }
                () = answer(&stats, id) => {}
            }
        };
        run(runtime, main);
        let _ = finished.send(());
    })?;
    Ok((Worker { queue, metrics, done, thread }, is_ready))
}

/// Answers the worker's health probes until dropped.
async fn answer(stats: &Stats, id: WorkerId) {
    match stats.probes.get(id.index()) {
        Some(probe) => probe.answer().await,
        None => std::future::pending().await,
    }
}

fn run(runtime: Runtime, main: impl Future<Output = ()>) {
    runtime.block_on(main);
    // Jobs of a service on blocking threads must not delay the end.
    runtime.shutdown_background();
}

/// Serves the assigned connections until the queue is closed and all of them have ended.
async fn serve_all<M, S>(
    make: M,
    context: &Arc<ConnectionContext>,
    mut assigned: mpsc::Receiver<Assigned>,
    phases: watch::Receiver<ShutdownPhase>,
) where
    M: Fn(RemotePeer) -> S + Send + Sync + 'static,
    S: GrpcService,
{
    let make = Arc::new(make);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            next = assigned.recv() => match next {
                Some(Assigned { socket, mut slot, open }) => {
                    let (make, context, phases) = (Arc::clone(&make), Arc::clone(context), phases.clone());
                    connections.spawn(async move {
                        let (make, context, stats) = (&*make, &*context, &*open.stats);
                        connection::serve(socket, &mut slot, Opener { make, context, phases, stats }).await;
                        // the slot first, so that there is room for another connection as soon as this one is no longer
                        // counted as open
                        drop(slot);
                        drop(open);
                    });
                }
                None => break,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    while connections.join_next().await.is_some() {}
}
