//! A worker: one thread with one current-thread runtime, which serves the connections assigned to it with a service of
//! its own.

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

/// Connections that may be queued for a worker.
const QUEUE: usize = 1024;

/// The owner's end of a worker.
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

/// A connection that is assigned to a worker, with what counts it there.
#[derive(Debug)]
pub(super) struct Assigned {
    pub(super) socket: DetachedSocket,
    pub(super) slot: ConnectionSlot,
    pub(super) open: OpenGuard,
}

/// Starts a worker's thread. `factory` is called there; what it returns makes the service of each connection. Fails if
/// the system refuses a thread or a runtime.
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
            // The receiver is gone only if the start was given up.
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

/// Answers the worker's health probes, for as long as this runs.
async fn answer(stats: &Stats, id: WorkerId) {
    match stats.probes.get(id.index()) {
        Some(probe) => probe.answer().await,
        None => std::future::pending().await,
    }
}

fn run(runtime: Runtime, main: impl Future<Output = ()>) {
    runtime.block_on(main);
    // Work that a service left on blocking threads must not delay the end.
    runtime.shutdown_background();
}

/// Serves the assigned connections until the queue is closed and each of them has ended.
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
                        // the slot first: a connection that is not counted as open any more leaves room for another
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
