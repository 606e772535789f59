//! A connection that is kept up: when it breaks, it is made again, first at once, then at least every second. Until it
//! has been made for the first time, attempts go at the pace that was set for the start. It is made once it is
//! [proven](super::proof) to count.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
};

use super::{
    health::{Health, Open},
    peer::Peer,
    plan::Plan,
    wire::{Running, Wire},
};

/// A connection that lasts for this long is a success.
const STABLE: Duration = Duration::from_secs(1);
/// The failures that a connection counts as which was lost sooner.
const BRIEF: u32 = 3;

/// A connection and the task that keeps it up.
#[derive(Debug)]
pub(super) struct Link {
    wire: watch::Receiver<Option<Arc<Wire>>>,
    again: Arc<Notify>,
    task: AbortHandle,
}

impl Link {
    /// Starts to connect, on the current runtime. The `first` link of each client connects at once; the others wait for
    /// the first links of all clients, so that each client has one where Redis is near its limit of clients.
    pub(super) fn keep(peer: &Arc<Peer>, first: bool) -> Self {
        let (sender, wire) = watch::channel(None);
        let again = Arc::new(Notify::new());
        let keep = keep(Arc::clone(peer), first, WireSender(sender), Arc::clone(&again));
        Self { wire, again, task: tokio::spawn(keep).abort_handle() }
    }

    /// A link whose connection a test sets.
    #[cfg(test)]
    pub(super) fn by_hand() -> (watch::Sender<Option<Arc<Wire>>>, Self) {
        let (sender, wire) = watch::channel(None);
        (sender, Self { wire, again: Arc::default(), task: tokio::spawn(std::future::pending::<()>()).abort_handle() })
    }

    /// The connection, if it is open.
    pub(super) fn wire(&self) -> Option<Arc<Wire>> {
        self.wire.borrow().clone()
    }

    /// Makes another connection, and drops this when its calls have ended.
    pub(super) fn replace(&self) {
        self.again.notify_one();
    }

    /// Begins to close it for good.
    pub(super) fn end(&self) {
        self.task.abort();
    }

    /// Waits until it is closed for good.
    pub(super) async fn ended(&self) {
        let mut wire = self.wire.clone();
        while wire.changed().await.is_ok() {}
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Publishes the connection; dropped, it publishes that there is none.
#[derive(Debug)]
struct WireSender(watch::Sender<Option<Arc<Wire>>>);

impl Drop for WireSender {
    fn drop(&mut self) {
        self.0.send_replace(None);
    }
}

async fn keep(peer: Arc<Peer>, first: bool, wire: WireSender, again: Arc<Notify>) {
    let (plan, health) = (&peer.plan, &peer.health);
    if !first {
        plan.contacts.all_count().await;
    }
    let _turn = plan.contacts.turn().await;
    let (mut failures, mut successor, mut former) = (0, None, None);
    loop {
        let opened = match successor.take() {
            Some(opened) => Ok(opened),
            None => peer.open().await,
        };
        match opened {
            Err(reason) => health.failed(&reason),
            Ok((made, mut running)) => {
                let since = Instant::now();
                let made = Arc::new(made);
                wire.0.send_replace(Some(Arc::clone(&made)));
                // after it was published: a waiter that this wakes must find it
                let open = health.opened();
                let retiring = former.take();
                let reason = tokio::select! {
                    reason = running.ended() => reason,
                    never = retire(retiring, plan.timeout) => match never {},
                    next = succeeding(&peer, &again) => {
                        (successor, former) = (Some(next), Some((open, running)));
                        continue;
                    }
                    () = silence(&made, plan, health) => {
                        health.fell_silent();
                        format!("no reply for {:?}", plan.silence()).into()
                    }
                };
                wire.0.send_replace(None);
                open.lost(reason);
                // The server is there, but one that closes connections soon after they are made is retried slowly.
                failures = if since.elapsed() > STABLE { 0 } else { failures.min(BRIEF) };
            }
        }
        tokio::time::sleep(plan.pause(failures)).await;
        failures += 1;
    }
}

/// Resolves when a call went unanswered, here or on another connection, and a PING does too: a server that answers late
/// is slow, not dead.
async fn silence(wire: &Wire, plan: &Plan, health: &Health) {
    loop {
        tokio::select! {
            () = wire.doubt.notified() => {}
            () = health.doubt.notified() => {}
        }
        if !wire.answers(plan.silence()).await {
            return;
        }
    }
}

/// Closes a connection that another has replaced, once the calls in flight on it have ended. Never resolves.
async fn retire(former: Option<(Open, Running)>, timeout: Duration) -> Infallible {
    tokio::time::sleep(timeout).await;
    drop(former);
    std::future::pending().await
}

/// Makes another connection once one is requested.
async fn succeeding(peer: &Peer, again: &Notify) -> (Wire, Running) {
    loop {
        again.notified().await;
        match peer.open().await {
            Ok(made) => return made,
            Err(reason) => peer.health.failed(&reason),
        }
    }
}
