//! The task that probes an address whose breaker is open: after each cooldown, and when a connection was made. The
//! latter is left out for an address that accepts connections and then does not answer. A probe is the call that
//! [proves](crate::client::proof) that a server counts; a refusal does not close the breaker.

use std::{
    pin::pin,
    sync::{Arc, Weak},
    time::Instant,
};

use tokio::task::JoinHandle;

use super::Node;
use crate::{
    breaker::{Breaker, BreakerState},
    client::{health::Health, proof::Unproven},
};

/// Probes over the connections of one node, and ends when the breaker closes, or with the node.
pub(super) struct Probing {
    health: Arc<Health>,
    node: Weak<Node>,
    /// Whether it has claimed the probing of the address; if not, it tries to claim it after each pause.
    holds: bool,
}

impl Probing {
    /// Starts the task on the current runtime. `holds`: the caller has claimed the probing for it.
    pub(super) fn start(node: &Arc<Node>, holds: bool) -> JoinHandle<()> {
        tokio::spawn(Self { health: Arc::clone(&node.peer.health), node: Arc::downgrade(node), holds }.run())
    }

    async fn run(mut self) {
        let health = Arc::clone(&self.health);
        let Some(breaker) = &health.breaker else { return };
        let mut connected = pin!(health.connected.notified());
        while breaker.state() != BreakerState::Closed {
            tokio::select! {
                () = tokio::time::sleep(breaker.pause()) => {}
                () = connected.as_mut(), if breaker.may_be_hurried() => {}
            }
            // registered before the probe, so that a connection that is made during the probe is noticed after it
            connected.set(health.connected.notified());
            let Some(node) = self.node.upgrade() else { return };
            if !self.may_probe(&node, breaker) {
                continue;
            }
            if !breaker.probe() {
                return;
            }
            let proven = node.prove().await;
            let closed = breaker.probed(proven.is_ok(), Instant::now());
            match proven {
                Ok(()) if closed => health.recovered(),
                Ok(()) => {}
                // another server may be the primary by now: the next probe uses new connections
                Err(unproven) if unproven.as_ref().is_some_and(Unproven::is_replica) => node.reconnect(),
                Err(_) => {}
            }
        }
    }

    /// Claims the probing if the node can probe and no other task has claimed it; releases it if the node cannot probe.
    /// Returns whether it is claimed.
    fn may_probe(&mut self, node: &Node, breaker: &Breaker) -> bool {
        let can = node.can_probe();
        if self.holds && !can {
            breaker.release();
        }
        self.holds = can && (self.holds || breaker.claim());
        self.holds
    }
}

impl Drop for Probing {
    fn drop(&mut self) {
        if let (true, Some(breaker)) = (self.holds, &self.health.breaker) {
            breaker.release();
        }
    }
}
