//! One connection from its first bytes to its end: begun, served, sent away by age or on drain, and closed.

use std::{
    collections::hash_map::RandomState,
    future::poll_fn,
    hash::{BuildHasher as _, Hasher as _},
    pin::Pin,
    time::Duration,
};

use hyper::body::Body;
use tokio::{sync::watch, time::sleep};

use super::{
    Stats,
    begin::Beginning,
    guards::Silent,
    http2::{Broken, Connection},
    order::{Order, ordered},
    peer::RemotePeer,
    service::GrpcService,
    socket::Parcel,
    stats::count,
    terms::Terms,
};

/// Serves a connection until it ends. Must be called on the worker's runtime.
///
/// How it begins takes more memory than how it goes on, and so that is a future in a box, which is gone by then.
pub(super) async fn serve<M, S, B>(parcel: Parcel, silent: Silent, beginning: Beginning<'_, M>)
where
    M: Fn(RemotePeer) -> S,
    S: GrpcService<B>,
    B: Body<Error: Into<Broken>, Data: Send> + Send + 'static,
{
    if let Some(connection) = Box::pin(beginning.connection(parcel, silent)).await {
        serve_http2(connection, beginning.terms, beginning.orders, beginning.stats).await;
    }
}

/// Serves until the connection ends, or is ended: for its age, or by an order.
async fn serve_http2(
    mut connection: Pin<Box<dyn Connection>>,
    terms: &Terms,
    mut orders: watch::Receiver<Order>,
    stats: &Stats,
) {
    let mut grace = Duration::MAX;
    tokio::select! {
        biased;
        ended = poll_fn(|cx| connection.as_mut().poll_served(cx)) => return log_end(ended),
        () = sleep(jittered(terms.age)) => {
            count(&stats.aged_out);
            grace = terms.grace;
        }
        () = ordered(&mut orders, Order::Drain) => {}
    }
    connection.as_mut().shut_down();
    tokio::select! {
        biased;
        ended = poll_fn(|cx| connection.as_mut().poll_served(cx)) => return log_end(ended),
        () = sleep(grace) => {}
        () = ordered(&mut orders, Order::Close) => {}
    }
    count(&stats.forced);
}

/// Peers break connections all the time; that is theirs to know, and of use to us only when searching for a fault.
fn log_end(ended: Result<(), Broken>) {
    if let Err(error) = ended {
        tracing::debug!(
            "connection ended: {error}{}",
            error.source().map(|cause| format!(": {cause}")).unwrap_or_default()
        );
    }
}

/// The duration give or take up to a tenth, so that connections made together do not all come back together.
fn jittered(duration: Duration) -> Duration {
    // Each RandomState has new keys, which makes it the random number that the standard library has.
    let random = RandomState::new().build_hasher().finish();
    let permille = 900 + u32::try_from(random % 201).unwrap_or(100);
    duration.checked_mul(permille).map_or(duration, |product| product / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_a_tenth_either_way() {
        let ages: Vec<_> = (0..1000).map(|_| jittered(Duration::from_secs(100))).collect();
        assert!(ages.iter().all(|age| (90..=110).contains(&age.as_secs())), "{ages:?}");
        assert!(ages.iter().any(|age| age.as_secs() < 95) && ages.iter().any(|age| age.as_secs() >= 105), "{ages:?}");
        assert_eq!(jittered(Duration::MAX), Duration::MAX);
    }
}
