//! The shutdown of a server: its phases, as its connections see them, and the drain that runs through them.

use std::{pin::Pin, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// How long closed connections and ended runtimes may take to disappear.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Which phase of its shutdown a server is in. It only ever advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::server) enum ShutdownPhase {
    /// Not shutting down.
    Serve,
    /// Connections finish their calls and close.
    Drain,
    /// Connections close at once.
    Close,
}

/// Waits until the server is in this phase, or a later one. A server that was dropped is in the last.
pub(in crate::server) async fn reached(phases: &mut watch::Receiver<ShutdownPhase>, phase: ShutdownPhase) {
    let _ = phases.wait_for(|now| *now >= phase).await;
}

/// Has every connection finish its calls until the deadline (`None`: without one), closes what is left, and waits until
/// all that `serving` has ended. How many have not, two seconds after the deadline.
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

/// Waits for each, and returns those that have not ended by the deadline.
async fn wait_until<F: Future<Output = ()> + Unpin>(deadline: Option<Instant>, serving: Vec<F>) -> Vec<F> {
    let mut left = Vec::new();
    for mut one in serving {
        match deadline {
            None => one.await,
            Some(deadline) if timeout_at(deadline, &mut one).await.is_err() => left.push(one),
            Some(_) => {}
        }
    }
    left
}
