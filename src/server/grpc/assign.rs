//! Assigns accepted connections to the workers.

use std::{sync::Arc, time::Instant};

use tokio::{runtime::RuntimeMetrics, sync::mpsc};

use super::{
    Stats,
    balance::Balancer,
    open_guard::OpenGuard,
    stats::count,
    worker::{Assigned, Worker},
};
use crate::server::listen::{ConnectionSlot, Dispatch, Socket};

/// Assigns each connection to one of the workers, where it stays.
#[derive(Debug)]
pub(super) struct Assigner {
    queues: Vec<mpsc::Sender<Assigned>>,
    metrics: Vec<RuntimeMetrics>,
    balancer: Balancer,
    stats: Arc<Stats>,
}

impl Assigner {
    /// `queues` and `metrics` are those of the workers, in the same order. Dropping the assigner closes the queues.
    pub(super) fn new(queues: Vec<mpsc::Sender<Assigned>>, metrics: Vec<RuntimeMetrics>, stats: Arc<Stats>) -> Self {
        let balancer = Balancer::new(queues.len(), Instant::now());
        Self { queues, metrics, balancer, stats }
    }
}

impl Dispatch for Assigner {
    fn dispatch(&mut self, socket: Socket, slot: Option<ConnectionSlot>) {
        let Self { queues, metrics, balancer, stats } = self;
        count(&stats.accepted);
        let Some(slot) = slot else {
            count(&stats.refused);
            return;
        };
        let open: Vec<_> = stats.open_by_worker().collect();
        let chosen = balancer.choose(&open, |worker| Worker::busy(&metrics[worker]), Instant::now());
        // Fails only for a connection that the peer has already closed.
        let Ok(socket) = socket.detach() else { return };
        let assigned = Assigned { socket, slot, open: OpenGuard::new(stats, chosen) };
        // A full queue means that the worker hangs: the peer is better served by another instance.
        if queues[chosen].try_send(assigned).is_err() {
            count(&stats.refused);
        }
    }
}
