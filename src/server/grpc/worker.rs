//! A worker: one thread with one current-thread runtime that serves the connections dealt to it with its own service.

use std::{error::Error, io, sync::Arc, thread, time::Duration};

use hyper::body::Body;
use tokio::{
    runtime::{Builder, Runtime, RuntimeMetrics},
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};

use super::{
    Stats, WorkerId,
    begin::Beginning,
    connection,
    context::ConnectionContext,
    guards::{OpenGuard, SilentPeerGuard},
    peer::RemotePeer,
    service::GrpcService,
};
use crate::server::listen::{DetachedStream, ShutdownPhase};

/// Connections that may be queued for a worker.
const QUEUE: usize = 1024;

/// The owner's end of a worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) queue: mpsc::Sender<Dealt>,
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

/// A connection that is dealt to a worker, with what counts it there.
#[derive(Debug)]
pub(super) struct Dealt {
    pub(super) stream: DetachedStream,
    pub(super) open: OpenGuard,
    pub(super) silent: SilentPeerGuard,
}

/// Starts a worker's thread. `factory` is called there; what it returns makes the service of each connection. Fails if
/// the system has no thread or runtime to give.
pub(super) fn start<M, S, B, F>(
    id: WorkerId,
    context: ConnectionContext,
    stats: &Arc<Stats>,
    factory: F,
    phases: watch::Receiver<ShutdownPhase>,
) -> io::Result<(Worker, oneshot::Receiver<()>)>
where
    F: FnOnce(WorkerId) -> M + Send + 'static,
    M: Fn(RemotePeer) -> S + Send + Sync + 'static,
    S: GrpcService<B>,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>, Data: Send> + Send + 'static,
{
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let metrics = runtime.metrics();
    let (queue, dealt) = mpsc::channel(QUEUE);
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
                () = serve_all(make, &context, dealt, phases) => {
                    if let Some(beat) = stats.beats.get(id.index()) {
                        beat.end();
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

/// Answers health probes of the worker, for as long as this runs.
async fn answer(stats: &Stats, id: WorkerId) {
    match stats.beats.get(id.index()) {
        Some(beat) => beat.answer().await,
        None => std::future::pending().await,
    }
}

fn run(runtime: Runtime, main: impl Future<Output = ()>) {
    runtime.block_on(main);
    // Work that a service left on blocking threads must not delay the end.
    runtime.shutdown_background();
}

/// Serves the connections that are dealt until the dealer is gone and each of them has ended.
async fn serve_all<M, S, B>(
    make: M,
    context: &Arc<ConnectionContext>,
    mut dealt: mpsc::Receiver<Dealt>,
    phases: watch::Receiver<ShutdownPhase>,
) where
    M: Fn(RemotePeer) -> S + Send + Sync + 'static,
    S: GrpcService<B>,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>, Data: Send> + Send + 'static,
{
    let make = Arc::new(make);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            next = dealt.recv() => match next {
                Some(Dealt { stream, open, silent }) => {
                    let (make, context, phases) = (Arc::clone(&make), Arc::clone(context), phases.clone());
                    connections.spawn(async move {
                        let (make, context, stats) = (&*make, &*context, &*open.stats);
                        connection::serve(stream, silent, Beginning { make, context, phases, stats }).await;
                    });
                }
                None => break,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    while connections.join_next().await.is_some() {}
}
