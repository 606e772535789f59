//! A worker: one thread with one current-thread runtime that serves the connections dealt to it with its own service.

use std::{error::Error, io, sync::Arc, thread, time::Duration};

use hyper::body::Body;
use tokio::{
    runtime::{Builder, Runtime, RuntimeMetrics},
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};

use super::{
    ServerConfig, Stats, WorkerId,
    begin::Beginning,
    connection,
    guards::{Seat, Silent},
    order::Order,
    peer::RemotePeer,
    service::GrpcService,
    socket::Parcel,
    terms::Terms,
};
use crate::slot_pool::SlotPool;

/// Connections that may wait for a worker to take them up.
const QUEUE: usize = 1024;

/// The owner's end of a worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) queue: mpsc::Sender<Dealt>,
    pub(super) metrics: RuntimeMetrics,
    /// Ends when the thread is about to.
    pub(super) done: oneshot::Receiver<()>,
    pub(super) thread: thread::JoinHandle<()>,
}

impl Worker {
    /// For how long the worker has not been idle since it started.
    pub(super) fn busy(metrics: &RuntimeMetrics) -> Duration {
        metrics.worker_total_busy_duration(0)
    }
}

/// A connection and its slot in the worker's count.
#[derive(Debug)]
pub(super) struct Dealt {
    pub(super) parcel: Parcel,
    pub(super) seat: Seat,
    pub(super) silent: Silent,
}

/// Starts a worker's thread; `factory` makes there what makes the service of each connection. Fails if the system gives
/// no thread or runtime.
pub(super) fn start<M, S, B, F>(
    id: WorkerId,
    config: &ServerConfig,
    slots: Arc<SlotPool>,
    stats: &Arc<Stats>,
    factory: F,
    orders: watch::Receiver<Order>,
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
    let terms = Arc::new(Terms::new(config, slots));
    let stats = Arc::clone(stats);
    let thread = thread::Builder::new().name(id.to_string()).spawn(move || {
        let main = async move {
            let make = factory(id);
            // If nobody waits for this any more, the orders say so too.
            let _ = ready.send(());
            tokio::select! {
                () = serve_all(make, &terms, dealt, orders) => {
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

/// Answers the question whether the worker runs its tasks, for as long as this runs.
async fn answer(stats: &Stats, id: WorkerId) {
    match stats.beats.get(id.index()) {
        Some(beat) => beat.answer().await,
        None => std::future::pending().await,
    }
}

fn run(runtime: Runtime, main: impl Future<Output = ()>) {
    runtime.block_on(main);
    // Work that a service left on blocking threads must not hold up the end.
    runtime.shutdown_background();
}

/// Serves what is dealt until the dealer is gone and every connection has ended.
async fn serve_all<M, S, B>(
    make: M,
    terms: &Arc<Terms>,
    mut dealt: mpsc::Receiver<Dealt>,
    orders: watch::Receiver<Order>,
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
                Some(Dealt { parcel, seat, silent }) => {
                    let (make, terms, orders) = (Arc::clone(&make), Arc::clone(terms), orders.clone());
                    connections.spawn(async move {
                        let (make, terms, stats) = (&*make, &*terms, &*seat.stats);
                        connection::serve(parcel, silent, Beginning { make, terms, orders, stats }).await;
                    });
                }
                None => break,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    while connections.join_next().await.is_some() {}
}
