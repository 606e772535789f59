//! Calls that last as long as their clients want: health `Watch` and reflection.

use std::sync::Arc;

use tokio::sync::watch;
use wire::service::{Pool, Share};

/// The memory that all of them together may use, in bytes; a connection may use an eighth. That allows 2 048 streams,
/// and 256 on one connection, if nothing is buffered for their clients.
const MOST: usize = 64 << 20;

/// The open long-lived calls. The process has one.
#[derive(Clone, Debug)]
pub struct Streams {
    pool: Arc<Pool>,
    have_ended: watch::Sender<bool>,
}

impl Default for Streams {
    fn default() -> Self {
        Self { pool: Pool::new(MOST), have_ended: watch::Sender::new(false) }
    }
}

impl Streams {
    /// Ends all calls, and every later one, with UNAVAILABLE, because the process ends.
    pub fn end(&self) {
        self.pool.close();
        self.have_ended.send_replace(true);
    }

    /// Resolves when they are ended.
    pub(super) async fn ended(&self) {
        // never an error: this has a sender
        let _ = self.have_ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Adds a connection and returns its share.
    pub(super) fn connection(&self) -> Share {
        self.pool.connection()
    }
}
