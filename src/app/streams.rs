//! Streams of clients, which go on for as long as those want, and which must not delay the end of the process.

use std::{convert::Infallible, time::Duration};

use crate::api::Streams;

/// How long they may go on once every connection was sent GOAWAY: for clients that leave by themselves, as those do that
/// have read NOT_SERVING.
const GRACE: Duration = Duration::from_secs(1);

/// Ends them after their grace.
pub(super) async fn end(streams: &Streams) -> Infallible {
    tokio::time::sleep(GRACE).await;
    streams.end();
    std::future::pending().await
}
