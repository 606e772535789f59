//! Calls that last as long as their clients want: health `Watch` and reflection.

use std::sync::Arc;

use wire::service::{Pool, Share};

/// The memory that all of them together may use, in bytes; a connection may use an eighth. That allows 2 048 streams,
/// and 256 on one connection, if nothing is buffered for their clients.
const MOST: usize = 64 << 20;

/// The open long-lived calls. The process has one.
#[derive(Clone, Debug)]
pub struct Streams(Arc<Pool>);

impl Default for Streams {
    fn default() -> Self {
        Self(Pool::new(MOST))
    }
}

impl Streams {
    /// Ends all calls, and every later one, with UNAVAILABLE, because the process ends.
    pub fn end(&self) {
        self.0.close();
    }

    /// Adds a connection and returns its share.
    pub(super) fn connection(&self) -> Share {
        self.0.connection()
    }
}
