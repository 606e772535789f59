//! The shutdown of a server: its phases, which its connections observe, and the drain, which advances them.

use std::{pin::Pin, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// How long connections and workers may take to end after [`ShutdownPhase::Close`].
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The phase of a server's shutdown. It only ever advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::server) enum ShutdownPhase {
    /// Not shutting down.
    Serve,
    /// Connections finish their calls and close.
    Drain,
    /// Connections close at once.
    Close,
}

/// Waits until the server is in this phase, or a later one. A server that was dropped counts as in the last phase.
pub(in crate::server) async fn reached(phases: &mut watch::Receiver<ShutdownPhase>, phase: ShutdownPhase) {
    let _ = phases.wait_for(|now| *now >= phase).await;
}

/// Has every connection finish its calls until the deadline (`None`: without one), closes the remaining connections,
/// and waits for `serving` to end. Returns how many of `serving` have not ended two seconds after the deadline.
pub(in crate::server) async fn drain(
    phases: &watch::Sender<ShutdownPhase>,
    deadline: Option<Instant>,
    serving: Vec<Pin<Box<dyn Future<Output = ()> + Send + '_>>>,
) -> usize {
    phases.send_replace(ShutdownPhase::Drain);
    let left = wait_until(deadline, serving).await;
    phases.send_replace(ShutdownPhase::Close);
    wait_until(Some(Instant::now() + CLOSE_TIMEOUT), left).await.len()
}

/// Waits for each future, and returns those that have not ended by the deadline.
async fn wait_until<F: Future<Output = ()> + Unpin>(deadline: Option<Instant>, serving: Vec<F>) -> Vec<F> {
    let mut left = Vec::new();
    for mut future in serving {
        match deadline {
            None => future.await,
            Some(deadline) if timeout_at(deadline, &mut future).await.is_err() => left.push(future),
            Some(_) => {}
        }
    }
    left
}
