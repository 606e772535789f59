//! A few connections to one address, which take turns, and calls over them past the breaker of the address.

#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

use super::{
    health::Health,
    link::Link,
    plan::{Plan, Target},
    probing::Probing,
    wire::{Command, Reply, Wire},
};
use crate::store::redis::{CallError, breaker::Breaker};

/// The connections of one client to one address.
#[derive(Debug)]
pub(super) struct Node {
    links: Vec<Link>,
    next: AtomicUsize,
    health: Arc<Health>,
    /// Of a call.
    pub(super) timeout: Duration,
    prober: Mutex<Option<JoinHandle<()>>>,
}

impl Node {
    /// Starts to connect, on the current runtime.
    pub(super) fn connect(plan: &Arc<Plan>, target: &Target, health: &Arc<Health>) -> Self {
        health.joined();
        let links = (0..plan.connections).map(|_| Link::keep(plan, target, health));
        Self {
            links: links.collect(),
            next: AtomicUsize::new(0),
            health: Arc::clone(health),
            timeout: plan.timeout,
            prober: Mutex::default(),
        }
    }

    /// Runs a command over one of the connections, unless the breaker is open. Whether it was answered is one
    /// observation, unless what a redirection left of the time was too little to tell.
    pub(super) async fn run(
        self: &Arc<Self>,
        command: Command,
        asking: bool,
        timeout: Duration,
    ) -> Result<Reply, CallError> {
        let Some(breaker) = &self.health.breaker else { return self.send(command, asking, timeout).await };
        let Some(call) = breaker.admit() else {
            self.watch(breaker);
            return Err(CallError::Tripped);
        };
        let result = self.send(command, asking, timeout).await;
        let tells = match result {
            Err(CallError::Unanswered(_)) => timeout >= self.timeout / 2,
            // whoever has no connection knows nothing of an address that others are connected to
            Err(CallError::Unreachable) => !self.health.is_connected(),
            // it was not sent
            Err(CallError::ManyKeys) => false,
            _ => true,
        };
        if tells && breaker.observe(call, is_answer(&result), Instant::now()) {
            self.health.tripped();
            self.watch(breaker);
        }
        result
    }

    /// Whether the breaker lets calls through. If not, somebody probes from now on.
    pub(super) fn admits(self: &Arc<Self>) -> bool {
        let Some(breaker) = self.health.breaker.as_ref().filter(|breaker| !breaker.admits()) else { return true };
        self.watch(breaker);
        false
    }

    pub(super) async fn send(&self, command: Command, asking: bool, timeout: Duration) -> Result<Reply, CallError> {
        self.wire().ok_or(CallError::Unreachable)?.run(command, asking, timeout).await
    }

    /// Sees to it that somebody probes: this node, at once or as soon as it can, if nobody does. The task ends when the
    /// breaker closes, or with the node.
    fn watch(self: &Arc<Self>, breaker: &Breaker) {
        if breaker.is_probed() {
            return;
        }
        let mut prober = self.prober.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = self.can_probe() && breaker.claim();
        if !holds && prober.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        if let Some(former) = prober.replace(Probing::start(self, &self.health, holds)) {
            former.abort();
        }
    }

    /// Whether its probes tell of the address. Without a connection they do only if nobody else has one.
    pub(super) fn can_probe(&self) -> bool {
        self.open() > 0 || !self.health.is_connected()
    }

    /// A connection that is open: they take turns.
    pub(super) fn wire(&self) -> Option<Arc<Wire>> {
        let first = self.next.fetch_add(1, Relaxed);
        (0..self.links.len()).find_map(|n| self.links[first.wrapping_add(n) % self.links.len()].wire())
    }

    /// Connections that are open.
    pub(super) fn open(&self) -> usize {
        self.links.iter().filter(|link| link.wire().is_some()).count()
    }

    /// Waits until any connection is open.
    pub(super) async fn connected(&self) {
        loop {
            let made = self.health.connected.notified();
            if self.open() > 0 {
                return;
            }
            made.await;
        }
    }

    /// Makes other connections, and drops these when their calls have ended.
    pub(super) fn reconnect(&self) {
        for link in &self.links {
            link.replace();
        }
    }

    /// Closes the connections for good.
    pub(super) async fn close(&self) {
        self.links.iter().for_each(Link::end);
        for link in &self.links {
            link.ended().await;
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(prober) = self.prober.get_mut().unwrap_or_else(PoisonError::into_inner) {
            prober.abort();
        }
        self.health.left();
    }
}

/// Whether Redis said anything, be it a refusal.
pub(super) const fn is_answer(result: &Result<Reply, CallError>) -> bool {
    matches!(result, Ok(_) | Err(CallError::Refused(_)))
}
