//! One connection, from its first bytes to its end: it is opened, served, drained because of its age or at shutdown,
//! and closed.

use std::{
    collections::hash_map::RandomState,
    future::poll_fn,
    hash::{BuildHasher as _, Hasher as _},
    pin::Pin,
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    Stats,
    context::ConnectionContext,
    http2::{Broken, Connection},
    open::Opener,
    peer::RemotePeer,
    service::GrpcService,
    stats::count,
};
use crate::server::listen::{ConnectionSlot, DetachedSocket, ShutdownPhase, reached};

/// How long a peer may take to acknowledge the GOAWAY of a connection that has reached its age. Calls that the peer
/// sends later are lost, so the time must be enough for a peer that lacks CPU for a while.
const AGED: Duration = Duration::from_secs(10);
/// The same at shutdown, which a peer that never acknowledges must not delay for long.
const DRAINING: Duration = Duration::from_secs(1);

/// Serves a connection until it ends. Must be called on the worker's runtime.
///
/// The opening needs more memory than the rest, so it is a boxed future, dropped before the connection is served.
pub(super) async fn serve<M, S>(socket: DetachedSocket, slot: &mut ConnectionSlot, opener: Opener<'_, M>)
where
    M: Fn(RemotePeer) -> S + Sync,
    S: GrpcService,
{
    let socket = match socket.attach() {
        Ok(socket) => socket,
        Err(error) => return tracing::warn!("cannot serve an accepted connection: {error}"),
    };
    if let Some(connection) = Box::pin(opener.open(socket, slot)).await {
        serve_http2(connection, opener.context, opener.phases, opener.stats).await;
    }
}

/// Serves until the connection ends, or is closed because of its age or at shutdown.
async fn serve_http2(
    mut connection: Pin<Box<dyn Connection>>,
    context: &ConnectionContext,
    mut phases: watch::Receiver<ShutdownPhase>,
    stats: &Stats,
) {
    let mut grace = Duration::MAX;
    tokio::select! {
        biased;
        ended = poll_fn(|cx| connection.as_mut().poll_served(cx)) => return log_end(ended),
        () = sleep(jittered(context.age)) => {
            count(&stats.aged_out);
            let aged = Instant::now();
            connection.as_mut().shut_down(AGED.min(context.grace / 2));
            tokio::select! {
                biased;
                ended = poll_fn(|cx| connection.as_mut().poll_served(cx)) => return log_end(ended),
                () = sleep(context.grace) => return count(&stats.forced),
                () = reached(&mut phases, ShutdownPhase::Drain) => {}
            }
            grace = context.grace.saturating_sub(aged.elapsed());
        }
        () = reached(&mut phases, ShutdownPhase::Drain) => {}
    }
    connection.as_mut().shut_down(DRAINING);
    tokio::select! {
        biased;
        ended = poll_fn(|cx| connection.as_mut().poll_served(cx)) => return log_end(ended),
        () = sleep(grace) => {}
        () = reached(&mut phases, ShutdownPhase::Close) => {}
    }
    count(&stats.forced);
}

/// Logs an error at level debug: peers break connections all the time, which matters only when a problem is analysed.
fn log_end(ended: Result<(), Broken>) {
    if let Err(error) = ended {
        tracing::debug!(
            "connection ended: {error}{}",
            error.source().map(|cause| format!(": {cause}")).unwrap_or_default()
        );
    }
}

/// The duration plus or minus up to a tenth, so that connections that were opened together do not all reconnect at the
/// same time.
fn jittered(duration: Duration) -> Duration {
    // Each RandomState has new keys, so the hash is a random number.
    let random = RandomState::new().build_hasher().finish();
    let permille = 900 + u32::try_from(random % 201).unwrap_or(100);
    duration.checked_mul(permille).map_or(duration, |product| product / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_at_most_a_tenth_in_both_directions() {
        let ages: Vec<_> = (0..1000).map(|_| jittered(Duration::from_secs(100))).collect();
        assert!(ages.iter().all(|age| (90..=110).contains(&age.as_secs())), "{ages:?}");
        assert!(ages.iter().any(|age| age.as_secs() < 95) && ages.iter().any(|age| age.as_secs() >= 105), "{ages:?}");
        assert_eq!(jittered(Duration::MAX), Duration::MAX);
    }
}
