//! Which phase of its shutdown a server is in, as its connections see it.

use tokio::sync::watch;

/// Which phase of its shutdown a server is in. It only ever advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::server) enum ShutdownPhase {
    /// Not shutting down.
    Serve,
    /// Connections send GOAWAY, finish their calls and close.
    Drain,
    /// Connections close at once.
    Close,
}

/// Waits until the server is in this phase, or a later one. A server that was dropped is in the last.
pub(in crate::server) async fn reached(phases: &mut watch::Receiver<ShutdownPhase>, phase: ShutdownPhase) {
    let _ = phases.wait_for(|now| *now >= phase).await;
}
