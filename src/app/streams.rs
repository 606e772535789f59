//! Ends long-lived streams (health watches, reflection) at shutdown: clients may keep them open for as long as they
//! like, which must not delay the end of the process.

use std::{convert::Infallible, time::Duration};

use crate::api::Streams;

/// How long streams may continue after every connection was sent GOAWAY: many clients close them once they have read
/// NOT_SERVING.
const GRACE: Duration = Duration::from_secs(1);

/// Ends the streams after [`GRACE`]. Runs until dropped.
pub(super) async fn end(streams: &Streams) -> Infallible {
    tokio::time::sleep(GRACE).await;
    streams.end();
    std::future::pending().await
}
