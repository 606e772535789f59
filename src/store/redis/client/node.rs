//! A few connections to one address, kept for ever: what breaks is made again, first at once, then at least every second.
//! Until the first one stands, attempts go at the pace that was set for the start.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
};

use super::{
    health::Health,
    plan::{Plan, Target},
    probe,
    wire::{Command, Reply, Running, Wire},
};
use crate::store::redis::{
    CallError,
    breaker::{Breaker, BreakerState},
};

/// A connection that stands for so long is good.
const GOOD: Duration = Duration::from_secs(1);
/// As many failures a connection counts as that was lost soon after it was made.
const BRIEF: u32 = 3;

/// The connections of one client to one address.
#[derive(Debug)]
pub(super) struct Node {
    links: Vec<Link>,
    next: AtomicUsize,
    health: Arc<Health>,
    timeout: Duration,
    prober: Mutex<Option<AbortHandle>>,
}

/// A connection and the task that makes it again.
#[derive(Debug)]
struct Link {
    wire: watch::Receiver<Option<Arc<Wire>>>,
    again: Arc<Notify>,
    task: AbortHandle,
}

impl Node {
    /// Starts to connect, on the current runtime.
    pub(super) fn connect(plan: &Arc<Plan>, target: &Target, health: &Arc<Health>) -> Self {
        health.users.fetch_add(1, Relaxed);
        let links = (0..plan.connections).map(|_| {
            let (told, wire) = watch::channel(None);
            let again = Arc::new(Notify::new());
            let keep = keep(Arc::clone(plan), target.clone(), Arc::clone(health), Told(told), Arc::clone(&again));
            Link { wire, again, task: tokio::spawn(keep).abort_handle() }
        });
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
        if !self.admits() {
            return Err(CallError::Tripped);
        }
        let result = self.send(command, asking, timeout).await;
        let tells = match result {
            Err(CallError::Unanswered(_)) => timeout >= self.timeout / 2,
            // whoever has no connection knows nothing of an address that others are connected to
            Err(CallError::Unreachable) => !self.health.is_connected(),
            _ => true,
        };
        if tells && breaker.observe(is_answer(&result), Instant::now()) {
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

    async fn send(&self, command: Command, asking: bool, timeout: Duration) -> Result<Reply, CallError> {
        self.wire().ok_or(CallError::Unreachable)?.run(command, asking, timeout).await
    }

    /// Sees to it that somebody probes. The task ends when the breaker closes, or with the node; then another node of the
    /// same address takes over.
    fn watch(self: &Arc<Self>, breaker: &Breaker) {
        if !breaker.claim() {
            return;
        }
        if self.can_probe() {
            let probing = Probing { health: Arc::clone(&self.health), node: Arc::downgrade(self), holds: true };
            let task = tokio::spawn(probing.run()).abort_handle();
            *self.prober.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        } else {
            breaker.release();
        }
    }

    /// Whether its probes tell of the address. Without a connection they do only if nobody else has one.
    fn can_probe(&self) -> bool {
        self.open() > 0 || !self.health.is_connected()
    }

    /// A connection that is open: they take turns.
    pub(super) fn wire(&self) -> Option<Arc<Wire>> {
        let first = self.next.fetch_add(1, Relaxed);
        (0..self.links.len()).find_map(|n| self.links[first.wrapping_add(n) % self.links.len()].wire.borrow().clone())
    }

    /// Connections that are open.
    pub(super) fn open(&self) -> usize {
        self.links.iter().filter(|link| link.wire.borrow().is_some()).count()
    }

    /// Waits until a connection is open.
    pub(super) async fn connected(&self) -> Option<Arc<Wire>> {
        let mut wire = self.links.first()?.wire.clone();
        wire.wait_for(Option::is_some).await.ok()?.clone()
    }

    /// Makes other connections, and then drops these.
    pub(super) fn reconnect(&self) {
        for link in &self.links {
            link.again.notify_one();
        }
    }

    /// Closes the connections for good.
    pub(super) async fn close(&self) {
        for link in &self.links {
            link.task.abort();
        }
        for link in &self.links {
            let mut wire = link.wire.clone();
            while wire.changed().await.is_ok() {}
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.health.users.fetch_sub(1, Relaxed);
        if let Some(prober) = self.prober.get_mut().unwrap_or_else(PoisonError::into_inner) {
            prober.abort();
        }
    }
}

/// Whether Redis said anything, be it a refusal.
const fn is_answer(result: &Result<Reply, CallError>) -> bool {
    matches!(result, Ok(_) | Err(CallError::Refused(_)))
}

/// The task that probes an address whose breaker is open: after each cooldown, and when a connection was made, unless the
/// address is one that is connected to and then does not answer.
struct Probing {
    health: Arc<Health>,
    node: Weak<Node>,
    /// Whether it has taken on the probing; if not, it looks for another chance.
    holds: bool,
}

impl Probing {
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

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Tells of the connection; dropped, that there is none.
#[derive(Debug)]
struct Told(watch::Sender<Option<Arc<Wire>>>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.send_replace(None);
    }
}

async fn keep(plan: Arc<Plan>, target: Target, health: Arc<Health>, wire: Told, again: Arc<Notify>) {
    let _turn = plan.contacts.turn().await;
    let (mut failures, mut successor, mut former) = (0, None, None);
    loop {
        let opened = match successor.take() {
            Some(opened) => Ok(opened),
            None => Wire::open(&plan, &target).await,
        };
        match opened {
            Err(reason) => health.failed(&reason),
            Ok((made, mut running)) => {
                let since = Instant::now();
                let made = Arc::new(made);
                let open = health.opened();
                wire.0.send_replace(Some(Arc::clone(&made)));
                // the successor of one that takes no writes stands before that goes
                drop(former.take());
                let reason = tokio::select! {
                    reason = running.ended() => reason,
                    next = succeeding(&plan, &target, &health, &again) => {
                        (successor, former) = (Some(next), Some((open, running)));
                        continue;
                    }
                    () = made.silent.notified() => {
                        health.fell_silent();
                        format!("no reply for {:?}", plan.silence()).into()
                    }
                    () = health.silent.notified() => "no reply on another connection".into(),
                };
                wire.0.send_replace(None);
                open.lost(reason);
                // The server is there. One that closes connections as soon as they are used is not hurried.
                failures = if since.elapsed() > GOOD { 0 } else { failures.min(BRIEF) };
            }
        }
        tokio::time::sleep(plan.pause(failures)).await;
        failures += 1;
    }
}

/// Makes another connection once it is asked for.
async fn succeeding(plan: &Arc<Plan>, target: &Target, health: &Health, again: &Notify) -> (Wire, Running) {
    loop {
        again.notified().await;
        match Wire::open(plan, target).await {
            Ok(made) => return made,
            Err(reason) => health.failed(&reason),
        }
    }
}
