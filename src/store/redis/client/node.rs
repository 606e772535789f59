//! A few connections to one address, kept for ever: what breaks is made again, first at once, then at least every second.

use std::{
    sync::{
        Arc,
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
    wire::{Command, Reply, Wire},
};
use crate::store::redis::CallError;

const FIRST_DELAY: Duration = Duration::from_millis(10);
const LONGEST_DELAY: Duration = Duration::from_secs(1);

/// The connections of one client to one address.
#[derive(Debug)]
pub(super) struct Node {
    links: Vec<Link>,
    next: AtomicUsize,
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
        let links = (0..plan.connections).map(|_| {
            let (told, wire) = watch::channel(None);
            let again = Arc::new(Notify::new());
            let keep = keep(Arc::clone(plan), target.clone(), Arc::clone(health), told, Arc::clone(&again));
            Link { wire, again, task: tokio::spawn(keep).abort_handle() }
        });
        Self { links: links.collect(), next: AtomicUsize::new(0) }
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

    /// Drops the connections and makes others.
    pub(super) fn reconnect(&self) {
        for link in &self.links {
            link.again.notify_one();
        }
    }

    /// Closes the connections for good.
    pub(super) fn close(&self) {
        for link in &self.links {
            link.task.abort();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.close();
    }
}

async fn keep(
    plan: Arc<Plan>,
    target: Target,
    health: Arc<Health>,
    wire: watch::Sender<Option<Arc<Wire>>>,
    again: Arc<Notify>,
) {
    let mut failures = 0;
    loop {
        match Wire::open(&plan, &target).await {
            Err(reason) => health.failed(&reason),
            Ok((made, mut running)) => {
                let since = Instant::now();
                let made = Arc::new(made);
                let open = health.opened();
                wire.send_replace(Some(Arc::clone(&made)));
                let reason = tokio::select! {
                    reason = running.ended() => reason,
                    () = again.notified() => "it takes no writes".into(),
                    () = made.silent.notified() => format!("no reply for {:?}", plan.silence()).into(),
                };
                wire.send_replace(None);
                open.lost(reason);
                if since.elapsed() > LONGEST_DELAY {
                    failures = 0;
                }
            }
        }
        tokio::time::sleep(delay(failures)).await;
        failures += 1;
    }
}

/// Half of it at random, so that workers and processes do not come all at once.
fn delay(failures: u32) -> Duration {
    let longest = FIRST_DELAY.saturating_mul(1 << failures.min(10)).min(LONGEST_DELAY);
    longest.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// Runs a command on a connection of this node.
pub(super) async fn run(node: &Node, command: Command, timeout: Duration) -> Result<Reply, CallError> {
    node.wire().ok_or(CallError::Unreachable)?.run(command, timeout).await
}
