//! Time as data: instants in microseconds since the Unix epoch, and the clocks that return them.

use std::{
    fmt::Debug,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

/// An instant in whole microseconds since the Unix epoch, below 2^53 so that it is exact as an `f64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The latest instant: 2^53 − 1 µs, in the year 2255.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// An instant from microseconds since the epoch, clamped to [`Timestamp::MAX`].
    #[must_use]
    #[inline]
    pub const fn from_micros(micros: u64) -> Self {
        if micros > Self::MAX.0 { Self::MAX } else { Self(micros) }
    }

    /// Microseconds since the epoch.
    #[must_use]
    #[inline]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// This instant as the `f64` that the algorithms compute with; exact.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    #[inline]
    pub const fn as_f64(self) -> f64 {
        // below 2^53, so also an `i64`, for which x86-64 has an instruction
        self.0 as i64 as f64
    }

    /// The instant `later` after this one, clamped to [`Timestamp::MAX`].
    #[must_use]
    #[inline]
    pub fn saturating_add(self, later: Duration) -> Self {
        let micros = u64::try_from(later.as_micros()).unwrap_or(u64::MAX);
        Self::from_micros(self.0.saturating_add(micros))
    }
}

/// A source of the present time.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// The machine's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX))
    }
}

/// A clock that moves only when it is set or advanced: for tests, figures and replays.
#[derive(Debug)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock that starts at `start`.
    #[must_use]
    #[inline]
    pub fn new(start: Timestamp) -> Self {
        Self(AtomicU64::new(start.as_micros()))
    }

    /// Moves the clock to `now`, forwards or backwards.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::SeqCst);
    }

    /// Moves the clock forwards.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().saturating_add(by));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}
