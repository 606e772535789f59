//! What can be set about connections.

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
    /// Streams that a peer may have open at a time.
    pub max_streams: u32,
    /// Bytes that a stream may receive before they are released; at least 65 535.
    pub stream_window: u32,
    /// Bytes that a connection may receive before they are released, and so the most that its unfinished requests hold;
    /// at least 65 535.
    pub connection_window: u32,
    /// The size of a request's fields as HTTP/2 counts it (RFC 9113, section 6.5.2); what is beyond is dropped.
    pub max_field_list: u32,
    /// Bytes of a header block as it is sent; a longer one closes the connection.
    pub max_block: usize,
    /// Calls of a connection that are begun before others have their turn.
    pub calls_a_turn: u32,
    /// How long a peer may take to end a frame or a header block that it has begun.
    pub read_patience: Duration,
    /// How long a peer may take less than 1 KiB of what waits for it.
    pub write_patience: Duration,
    /// For replies that peers do not take; one for the process.
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
    /// The windows in the range that HTTP/2 has for them, and not below the default, of which a peer may have used all
    /// before it knows better.
    pub(crate) fn windows(&self) -> (u32, u32) {
        let valid = |window: u32| window.clamp(DEFAULT_WINDOW, 0x7fff_ffff);
        (valid(self.stream_window), valid(self.connection_window))
    }
}

/// The memory that replies hold which are written and not sent, bounded for the process.
#[derive(Debug)]
pub struct HeldReplies {
    used: AtomicUsize,
    most: usize,
}

impl HeldReplies {
    /// At most so many bytes, and an eighth of them for one connection.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { used: AtomicUsize::new(0), most }
    }

    /// The most that one connection may hold.
    pub(crate) const fn share(&self) -> usize {
        self.most / 8
    }

    /// Bytes in use.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Relaxed)
    }
}

/// What one connection holds of them.
#[derive(Debug)]
pub(crate) struct HeldShare {
    all: Arc<HeldReplies>,
    used: usize,
}

/// The process holds as much as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMuchHeld;

impl HeldShare {
    pub(crate) fn new(all: &Arc<HeldReplies>) -> Self {
        Self { all: Arc::clone(all), used: 0 }
    }

    /// Notes how much the connection holds now.
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
    fn what_is_held_is_bounded_and_given_back() {
        let all = Arc::new(HeldReplies::new(100));
        let (mut one, mut other) = (HeldShare::new(&all), HeldShare::new(&all));
        assert_eq!((one.set(60), other.set(41)), (Ok(()), Err(TooMuchHeld)));
        assert_eq!((one.set(50), other.set(50)), (Ok(()), Ok(())));
        drop(other);
        assert_eq!(all.used(), 50);
    }
}
