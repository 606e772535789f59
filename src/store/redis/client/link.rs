//! A connection that is kept for ever: what breaks is made again, first at once, then at least every second. Until the
//! first one stands, attempts go at the pace that was set for the start. It stands when it was [proven](super::proof) to
//! count.

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

/// A connection that stands for so long is good.
const GOOD: Duration = Duration::from_secs(1);
/// As many failures a connection counts as that was lost soon after it was made.
const BRIEF: u32 = 3;

/// A connection and the task that makes it again.
#[derive(Debug)]
pub(super) struct Link {
    wire: watch::Receiver<Option<Arc<Wire>>>,
    again: Arc<Notify>,
    task: AbortHandle,
}

impl Link {
    /// Starts to connect, on the current runtime. Only the `first` one of each client has to stand; the others wait for
    /// those of all clients, so that none is left without where Redis takes no more.
    pub(super) fn keep(peer: &Arc<Peer>, first: bool) -> Self {
        let (told, wire) = watch::channel(None);
        let again = Arc::new(Notify::new());
        let keep = keep(Arc::clone(peer), first, Told(told), Arc::clone(&again));
        Self { wire, again, task: tokio::spawn(keep).abort_handle() }
    }

    /// One that is told of connections by a test.
    #[cfg(test)]
    pub(super) fn by_hand() -> (watch::Sender<Option<Arc<Wire>>>, Self) {
        let (told, wire) = watch::channel(None);
        (told, Self { wire, again: Arc::default(), task: tokio::spawn(std::future::pending::<()>()).abort_handle() })
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

/// Tells of the connection; dropped, that there is none.
#[derive(Debug)]
struct Told(watch::Sender<Option<Arc<Wire>>>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.send_replace(None);
    }
}

async fn keep(peer: Arc<Peer>, first: bool, wire: Told, again: Arc<Notify>) {
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
                // whoever is told of it finds it
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
                // The server is there. One that closes connections as soon as they are used is not hurried.
                failures = if since.elapsed() > GOOD { 0 } else { failures.min(BRIEF) };
            }
        }
        tokio::time::sleep(plan.pause(failures)).await;
        failures += 1;
    }
}

/// Ends when a call went unanswered, here or on others, and a PING does too: what answers late is slow, not dead.
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

/// Closes a connection that another has replaced, when the calls that are on their way there have ended. Never ends.
async fn retire(former: Option<(Open, Running)>, timeout: Duration) -> Infallible {
    tokio::time::sleep(timeout).await;
    drop(former);
    std::future::pending().await
}

/// Makes another connection once it is asked for.
async fn succeeding(peer: &Peer, again: &Notify) -> (Wire, Running) {
    loop {
        again.notified().await;
        match peer.open().await {
            Ok(made) => return made,
            Err(reason) => peer.health.failed(&reason),
        }
    }
}
