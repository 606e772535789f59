//! The settings of connections.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::settings::DEFAULT_WINDOW;

/// How connections are served.
#[derive(Clone, Debug)]
pub struct Config {
    /// The number of streams that a peer may have open at the same time.
    pub max_streams: u32,
    /// The receive window of a stream, in bytes; at least 65 535.
    pub stream_window: u32,
    /// The receive window of a connection, in bytes, and so the memory limit of its unfinished requests; at least 65
    /// 535.
    pub connection_window: u32,
    /// The largest size of a request's header list as HTTP/2 counts it (RFC 9113, section 6.5.2); fields beyond it are
    /// dropped.
    pub max_field_list: u32,
    /// The largest encoded header block, in bytes; a longer one closes the connection.
    pub max_block: usize,
    /// The number of calls that a connection may begin before other connections have their turn.
    pub calls_a_turn: u32,
    /// How long a peer may take to complete a frame or a header block that it has begun.
    pub read_patience: Duration,
    /// How long a peer may take for 1 KiB of the data that waits for it.
    pub write_patience: Duration,
    /// The memory of replies that peers do not take; shared by all connections of the process.
    pub held: Arc<HeldReplies>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_streams: 1_000,
            stream_window: 4 << 20,
            connection_window: 16 << 20,
            max_field_list: 1 << 20,
            max_block: 1 << 20,
            calls_a_turn: 128,
            read_patience: Duration::from_secs(10),
            write_patience: Duration::from_secs(30),
            held: Arc::new(HeldReplies::new(64 << 20)),
        }
    }
}

impl Config {
    /// The two windows, limited to the range of HTTP/2 and at least the default, all of which a peer may use before it
    /// receives our SETTINGS.
    pub(crate) fn windows(&self) -> (u32, u32) {
        let valid = |window: u32| window.clamp(DEFAULT_WINDOW, 0x7fff_ffff);
        (valid(self.stream_window), valid(self.connection_window))
    }
}

/// The memory of replies that are complete but not sent, bounded for the process.
#[derive(Debug)]
pub struct HeldReplies {
    used: AtomicUsize,
    most: usize,
}

impl HeldReplies {
    /// At most this many bytes; one connection may use an eighth of them.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { used: AtomicUsize::new(0), most }
    }

    /// The most bytes that one connection may use.
    pub(crate) const fn share(&self) -> usize {
        self.most / 8
    }

    /// The number of bytes in use.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Relaxed)
    }
}

/// The share of one connection.
#[derive(Debug)]
pub(crate) struct HeldShare {
    all: Arc<HeldReplies>,
    used: usize,
}

/// The limit of the process or of the connection is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMuchHeld;

impl HeldShare {
    pub(crate) fn new(all: &Arc<HeldReplies>) -> Self {
        Self { all: Arc::clone(all), used: 0 }
    }

    /// Sets how many bytes the connection uses now.
    pub(crate) fn set(&mut self, bytes: usize) -> Result<(), TooMuchHeld> {
        if bytes <= self.used {
            self.all.used.fetch_sub(self.used - bytes, Relaxed);
            self.used = bytes;
            return Ok(());
        }
        let more = bytes - self.used;
        let fits = |used: usize| used.checked_add(more).filter(|used| *used <= self.all.most);
        self.all.used.fetch_update(Relaxed, Relaxed, fits).map_err(|_| TooMuchHeld)?;
        self.used = bytes;
        Ok(())
    }
}

impl Drop for HeldShare {
    fn drop(&mut self) {
        self.all.used.fetch_sub(self.used, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_bytes_are_bounded_and_released() {
        let all = Arc::new(HeldReplies::new(100));
        let (mut one, mut other) = (HeldShare::new(&all), HeldShare::new(&all));
        assert_eq!((one.set(60), other.set(41)), (Ok(()), Err(TooMuchHeld)));
        assert_eq!((one.set(50), other.set(50)), (Ok(()), Ok(())));
        drop(other);
        assert_eq!(all.used(), 50);
    }
}
