//! Calls that go on for as long as their clients want: those that watch the health, and those of reflection.

use std::sync::Arc;

use wire::service::{Pool, Share};

/// What all of them may use together, and an eighth of it for one connection: 2 048 and 256, if they keep nothing for
/// their clients.
const MOST: usize = 64 << 20;

/// The open ones. One for the process.
#[derive(Clone, Debug)]
pub struct Streams(Arc<Pool>);

impl Default for Streams {
    fn default() -> Self {
        Self(Pool::new(MOST))
    }
}

impl Streams {
    /// Ends them all, and those that are still opened, with UNAVAILABLE: the process ends.
    pub fn end(&self) {
        self.0.close();
    }

    /// The share of one more connection.
    pub(super) fn connection(&self) -> Share {
        self.0.connection()
    }
}
