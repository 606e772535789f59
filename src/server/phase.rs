//! What the server's owner wants of every connection: serve, drain, close.

use tokio::sync::watch;

/// What the server's owner wants of every connection; only ever grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    Serve,
    /// Tell the peer to go away, finish its calls, close.
    Drain,
    /// Close at once.
    Close,
}

/// Waits until the order is at least this one. An owner that is gone wants everything closed.
pub(super) async fn ordered(orders: &mut watch::Receiver<Order>, order: Order) {
    let _ = orders.wait_for(|now| *now >= order).await;
}
