//! The task that probes an address whose breaker is open: after each cooldown, and when a connection was made, unless the
//! address is one that is connected to and then does not answer.

use std::{
    sync::{Arc, Weak},
    time::Instant,
};

use tokio::task::JoinHandle;

use super::{
    health::Health,
    node::{Node, is_answer},
    probe,
};
use crate::store::redis::breaker::BreakerState;

/// Probes over the connections of one node, and ends when the breaker closes, or with the node.
pub(super) struct Probing {
    health: Arc<Health>,
    node: Weak<Node>,
    /// Whether it has taken on the probing; if not, it looks for another chance.
    holds: bool,
}

impl Probing {
    /// Starts it, on the current runtime, for one that has taken on the probing.
    pub(super) fn start(node: &Arc<Node>, health: &Arc<Health>) -> JoinHandle<()> {
        tokio::spawn(Self { health: Arc::clone(health), node: Arc::downgrade(node), holds: true }.run())
    }

    async fn run(mut self) {
        let health = Arc::clone(&self.health);
        let Some(breaker) = &health.breaker else { return };
        while breaker.state() != BreakerState::Closed {
            tokio::select! {
                () = tokio::time::sleep(breaker.pause()) => {}
                () = health.connected.notified(), if breaker.may_be_hurried() => {}
            }
            let Some(node) = self.node.upgrade() else { return };
            if !self.holds && !breaker.claim() {
                return;
            }
            self.holds = node.can_probe();
            if !self.holds {
                // another client is connected: its next call takes the probing on, if this does not get a connection first
                breaker.release();
                continue;
            }
            breaker.probe();
            let answered = is_answer(&node.send(probe(), false, node.timeout).await);
            breaker.probed(answered, Instant::now());
            if answered {
                health.mended();
            }
        }
    }
}

impl Drop for Probing {
    fn drop(&mut self) {
        if let (true, Some(breaker)) = (self.holds, &self.health.breaker) {
            breaker.release();
        }
    }
}
