//! The connections of a client to one address, used in turn, and calls over them, subject to the address's breaker.

mod observation;
mod probing;
#[cfg(test)]
mod tests;

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{task::JoinHandle, time::timeout_at};

pub(crate) use self::observation::Observation;
use self::probing::Probing;
use super::{
    link::Link,
    peer::{Peer, Standing},
    proof::{Proof, Unproven},
    wire::{Command, CommandKind, Reply, Wire},
};
use crate::{
    CallError, KeysPerCall, Server,
    breaker::{Admitted, Breaker, Outcome},
    refusal,
};

/// The connections of one client to one address.
#[derive(Debug)]
pub(super) struct Node {
    links: Vec<Link>,
    next: AtomicUsize,
    pub(super) peer: Arc<Peer>,
    prober: Mutex<Option<JoinHandle<()>>>,
}

impl Node {
    /// Starts to connect, on the current runtime.
    pub(super) fn connect(peer: Arc<Peer>) -> Arc<Self> {
        let links = (0..peer.plan.connections).map(|number| Link::keep(&peer, number == 0)).collect();
        Self::with(links, peer)
    }

    fn with(links: Vec<Link>, peer: Arc<Peer>) -> Arc<Self> {
        peer.health.joined();
        Arc::new(Self { links, next: AtomicUsize::new(0), peer, prober: Mutex::default() })
    }

    /// Runs a command over one of the connections, unless the breaker is open. The breaker observes the outcome: of a
    /// reply, when the returned observation is dropped; of a timeout, at once, unless a redirection had left the
    /// command too little time to blame the server.
    pub(super) async fn run(
        self: &Arc<Self>,
        command: Command,
        asking: bool,
        timeout: Duration,
    ) -> Result<(Reply, Option<Observation>), CallError> {
        let kind = command.kind;
        let Some(breaker) = &self.peer.health.breaker else {
            return self.send(command, asking, timeout).await.map(|reply| (reply, None));
        };
        let Some(call) = breaker.admit() else {
            self.watch(breaker);
            return Err(CallError::Tripped);
        };
        let mut observation = Observation::new(self, call);
        let result = self.send(command, asking, timeout).await;
        match &result {
            Ok(_) => observation.answered(),
            // the script follows, whose outcome is observed
            Err(CallError::Refused(_)) if kind == CommandKind::Addition => {}
            Err(CallError::Refused(text)) if observation.is_sticky(text) => observation.refused(text),
            Err(CallError::Refused(_)) => observation.answered(),
            // too little time to blame the server
            Err(CallError::Unanswered(_)) if timeout < self.timeout() / 2 => {}
            // other clients are connected to the address
            Err(CallError::Unreachable) if self.peer.health.is_connected() => {}
            // the command was not sent
            Err(CallError::ManyKeys) => {}
            Err(_) => observation.silent(),
        }
        result.map(|reply| (reply, Some(observation)))
    }

    /// The timeout of a call.
    fn timeout(&self) -> Duration {
        self.peer.plan.timeout
    }

    /// Passes the outcome of a call to the breaker. `text` is the error of a refusal.
    pub(super) fn observe(self: &Arc<Self>, call: Admitted, outcome: Outcome, text: Option<&str>) {
        let Some(breaker) = &self.peer.health.breaker else { return };
        if breaker.observe(call, outcome, Instant::now()) {
            self.peer.health.tripped(text);
            self.watch(breaker);
        }
    }

    /// Whether this error will recur until an operator corrects the setup. Never behind a proxy, where the error of one
    /// server says nothing about the others.
    pub(super) fn is_sticky(&self, text: &str) -> bool {
        self.peer.plan.keys.now() != Some(KeysPerCall::One) && refusal::is_sticky(text, self.peer.proof.has_slots())
    }

    /// Probes the address: charges a counter there. `Err(None)`: there is no connection.
    pub(super) async fn prove(&self) -> Result<(), Option<Unproven>> {
        let wire = self.wire().ok_or(None)?;
        self.peer.charge(&wire, self.timeout()).await.map(drop).map_err(Some)
    }

    /// The counters that a probe of this address charges.
    pub(super) fn proof(&self) -> &Proof {
        &self.peer.proof
    }

    /// Whether the address counts, as far as this client knows.
    pub(super) fn standing(&self) -> Standing {
        self.peer.standing()
    }

    /// Whether the breaker admits calls. If not, ensures that the address is probed.
    pub(super) fn admits(self: &Arc<Self>) -> bool {
        let Some(breaker) = self.peer.health.breaker.as_ref().filter(|breaker| !breaker.admits()) else { return true };
        self.watch(breaker);
        false
    }

    /// What is known of the server at the address.
    pub(super) fn server(&self) -> Server {
        let (health, plan) = (&self.peer.health, &self.peer.plan);
        let keys = plan.keys.now();
        Server {
            time: health.clock.at(Instant::now()),
            names_windows: keys != Some(KeysPerCall::One),
            plain_commands: plan.plain_commands && keys == Some(KeysPerCall::Many) && health.takes_plain(),
        }
    }

    async fn send(&self, command: Command, asking: bool, timeout: Duration) -> Result<Reply, CallError> {
        let (kind, sent) = (command.kind, Instant::now());
        let reply = self.deliver(command, asking, timeout).await?;
        match (kind, reply) {
            (CommandKind::Script, Reply::Bytes(bytes)) => {
                self.peer.health.clock.observe_reply(&bytes, sent);
                Ok(Reply::Bytes(bytes))
            }
            (CommandKind::Addition, Reply::List(mut replies)) => {
                for reply in &replies {
                    if let Reply::Error(text) = reply {
                        self.peer.health.refused_plain(text);
                    }
                }
                // the last one counts
                match replies.pop() {
                    Some(Reply::Error(text)) => Err(CallError::Refused(text)),
                    last => Ok(Reply::List(replies.into_iter().chain(last).collect())),
                }
            }
            (_, reply) => Ok(reply),
        }
    }

    async fn deliver(&self, command: Command, asking: bool, timeout: Duration) -> Result<Reply, CallError> {
        let (wire, left) = match self.wire() {
            Some(wire) => (wire, timeout),
            None if !self.peer.may_connect() => return Err(CallError::Unreachable),
            None => {
                let deadline = tokio::time::Instant::now() + timeout;
                let wire = timeout_at(deadline, self.connects()).await.ok().flatten().ok_or(CallError::Unreachable)?;
                (wire, deadline.saturating_duration_since(tokio::time::Instant::now()))
            }
        };
        wire.run(command, asking, left).await
    }

    /// Waits for a connection that is being established; `None` if the attempts fail.
    async fn connects(&self) -> Option<Arc<Wire>> {
        loop {
            // enabled first, so that a notification between the check and the wait is not missed
            let mut news = pin!(self.peer.health.news.notified());
            news.as_mut().enable();
            if let Some(wire) = self.wire() {
                return Some(wire);
            }
            if !self.peer.may_connect() {
                return None;
            }
            news.await;
        }
    }

    /// Ensures that the address is probed: by a task of this node, at once or as soon as it has a connection, unless
    /// another client probes it. The task ends when the breaker closes, or with the node.
    fn watch(self: &Arc<Self>, breaker: &Breaker) {
        if breaker.is_probed() {
            return;
        }
        let mut prober = self.prober.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = self.can_probe() && breaker.claim();
        if !holds && prober.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        if let Some(former) = prober.replace(Probing::start(self, holds)) {
            former.abort();
        }
    }

    /// Whether a probe by this node can say anything about the address: it has a connection, or no client has one.
    pub(super) fn can_probe(&self) -> bool {
        self.open() > 0 || !self.peer.health.is_connected()
    }

    /// The next open connection, round robin; `None` if none is open.
    pub(super) fn wire(&self) -> Option<Arc<Wire>> {
        let first = self.next.fetch_add(1, Relaxed);
        (0..self.links.len()).find_map(|n| self.links[first.wrapping_add(n) % self.links.len()].wire())
    }

    /// The number of open connections.
    pub(super) fn open(&self) -> usize {
        self.links.iter().filter(|link| link.wire().is_some()).count()
    }

    /// Waits until any connection is open.
    pub(super) async fn connected(&self) {
        loop {
            let mut made = pin!(self.peer.health.news.notified());
            made.as_mut().enable();
            if self.open() > 0 {
                return;
            }
            made.await;
        }
    }

    /// Replaces the connections: the current ones are closed when their calls have ended.
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
        self.peer.health.left();
    }
}
