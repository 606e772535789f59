//! Streams of clients, which go on for as long as those want, and which must not hold the end of the process up.

use std::{convert::Infallible, time::Duration};

use tokio::sync::oneshot;

use crate::api;

/// How long they may go on once every connection is asked to go: for clients that leave by themselves, as those do who
/// have read NOT_SERVING.
const GRACE: Duration = Duration::from_secs(1);

/// Those that are open.
pub(super) struct OpenStreams {
    pub(super) streams: api::Streams,
    /// Dropped, it ends those that watch the health, also where hyper serves them.
    pub(super) watches: oneshot::Sender<()>,
}

impl OpenStreams {
    /// Ends them after their grace.
    pub(super) async fn end(self) -> Infallible {
        tokio::time::sleep(GRACE).await;
        self.streams.end();
        drop(self.watches);
        std::future::pending().await
    }
}
