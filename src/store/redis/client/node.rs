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
    wire::Wire,
};

const FIRST_DELAY: Duration = Duration::from_millis(10);
const LONGEST_DELAY: Duration = Duration::from_secs(1);
/// As many failures a connection counts as that was lost soon after it was made.
const BRIEF: u32 = 3;

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
            let keep = keep(Arc::clone(plan), target.clone(), Arc::clone(health), Told(told), Arc::clone(&again));
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
    let mut failures = 0;
    loop {
        match Wire::open(&plan, &target).await {
            Err(reason) => health.failed(&reason),
            Ok((made, mut running)) => {
                let since = Instant::now();
                let made = Arc::new(made);
                let open = health.opened();
                wire.0.send_replace(Some(Arc::clone(&made)));
                let reason = tokio::select! {
                    reason = running.ended() => reason,
                    () = again.notified() => "it takes no writes".into(),
                    () = made.silent.notified() => format!("no reply for {:?}", plan.silence()).into(),
                };
                wire.0.send_replace(None);
                open.lost(reason);
                // The server is there. One that closes connections as soon as they are used is not hurried.
                failures = if since.elapsed() > LONGEST_DELAY { 0 } else { failures.min(BRIEF) };
            }
        }
        tokio::time::sleep(delay(failures)).await;
        failures += 1;
    }
}

/// How long to wait before the next attempt. Half of it at random, so that workers and processes do not come all at once.
pub(super) fn delay(failures: u32) -> Duration {
    let longest = FIRST_DELAY.saturating_mul(1 << failures.min(10)).min(LONGEST_DELAY);
    longest.mul_f64(0.5 + fastrand::f64() / 2.0)
}
