//! The task that probes an address whose breaker is open: after each cooldown, and when a connection was made, unless
//! the address is one that is connected to and then does not answer. A probe is what
//! [proves](crate::client::proof) a connection: no refusal closes the breaker.

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
    /// Whether it is the task that probes the address; if not, it tries to become that each time it would probe.
    holds: bool,
}

impl Probing {
    /// Starts it, on the current runtime. `holds`: it is the task that probes the address.
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
            // enabled before the probe: a connection that is made meanwhile is noticed after it
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
                Ok(()) if closed => health.mended(),
                Ok(()) => {}
                // another server may be the primary by now: the next probe uses new connections
                Err(unproven) if unproven.as_ref().is_some_and(Unproven::is_replica) => node.reconnect(),
                Err(_) => {}
            }
        }
    }

    /// Becomes the task that probes the address if its node can probe and no other task does, or ceases to be it.
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
