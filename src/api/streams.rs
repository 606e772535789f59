//! Calls that go on for as long as their clients want: those that watch the health, and those of reflection.

use std::sync::Arc;

use tokio::sync::watch;
use wire::service::{Pool, Share};

/// What all of them may use together, and an eighth of it for one connection: 2 048 and 256, if they keep nothing for
/// their clients.
const MOST: usize = 64 << 20;

/// The open ones. One for the process.
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
    /// Ends them all, and those that are still opened, with UNAVAILABLE: the process ends.
    pub fn end(&self) {
        self.pool.close();
        self.have_ended.send_replace(true);
    }

    /// Resolves when they are ended.
    pub(super) async fn ended(&self) {
        // never an error: this has a sender
        let _ = self.have_ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// The share of one more connection.
    pub(super) fn connection(&self) -> Share {
        self.pool.connection()
    }
}
