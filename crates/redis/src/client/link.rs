//! A connection that is re-established when it breaks: first at once, then with growing pauses of up to a second. Until
//! the endpoint has been connected to for the first time, the pauses are those configured for the start. A connection
//! counts as made once its server is [proven](super::proof) to count.

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

/// A connection that lasts for this long counts as a success, after which the pauses begin anew.
const STABLE: Duration = Duration::from_secs(1);
/// The most failures, for the length of the pause, after a connection that was lost sooner than that.
const BRIEF: u32 = 3;

/// A connection and the task that re-establishes it.
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

    /// Replaces the connection: the current one is closed when its calls have ended.
    pub(super) fn replace(&self) {
        self.again.notify_one();
    }

    /// Begins to close the connection for good.
    pub(super) fn end(&self) {
        self.task.abort();
    }

    /// Waits until the connection is closed for good.
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

/// Publishes the connection. When it is dropped, it publishes that there is none.
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
                // after the connection was published, because a caller that this wakes must find it
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
                // a server that closes connections soon after they are made is retried with longer pauses
                failures = if since.elapsed() > STABLE { 0 } else { failures.min(BRIEF) };
            }
        }
        tokio::time::sleep(plan.pause(failures)).await;
        failures += 1;
    }
}

/// Resolves when a call got no reply, here or on another connection, and then a PING over this connection got none
/// either: a server whose replies are merely late is slow, not dead.
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

/// Makes the next connection once a replacement is requested.
async fn succeeding(peer: &Peer, again: &Notify) -> (Wire, Running) {
    loop {
        again.notified().await;
        match peer.open().await {
            Ok(made) => return made,
            Err(reason) => peer.health.failed(&reason),
        }
    }
}
