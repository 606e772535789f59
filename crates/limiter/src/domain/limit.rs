//! A limit: how many requests a window may hold, and by which algorithm.

use std::fmt;

use super::{MAX_COUNT, Window};

/// How a limit is counted. `docs/algorithms.md` compares the algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// One count for each aligned window, as the reference does it.
    FixedWindow,
    /// The previous window's count fades out while the present window fills.
    SlidingWindow,
    /// A bucket of `burst` tokens that is refilled continuously.
    TokenBucket,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 3] = [Self::FixedWindow, Self::SlidingWindow, Self::TokenBucket];

    /// The name used in rules, labels and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FixedWindow => "fixed_window",
            Self::SlidingWindow => "sliding_window",
            Self::TokenBucket => "token_bucket",
        }
    }

    /// The algorithm with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A combination of options that no limit can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// `burst` for an algorithm without a bucket.
    #[error("burst is for algorithm token_bucket; {0} has none: leave burst out")]
    BurstWithoutBucket(Algorithm),
    /// `burst: 0`: no request would ever pass.
    #[error("burst 0 would refuse every request; give at least 1, or requests_per_unit: 0 to deny all")]
    ZeroBurst,
    /// A calendar for an algorithm other than the fixed window.
    #[error("calendar is for algorithm fixed_window; {0} needs a window of one length: leave one of them out")]
    CalendarOfOtherAlgorithm(Algorithm),
}

/// What one counter may hold: `requests` per `window`, counted by `algorithm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    algorithm: Algorithm,
    window: Window,
    requests: u64,
    burst: u64,
    count_denied: bool,
}

impl Limit {
    /// Creates a limit. `burst` defaults to `requests`, `count_denied` to true for fixed windows and to false for the
    /// other algorithms. Numbers above [`MAX_COUNT`] are reduced to it.
    ///
    /// # Errors
    /// If `burst` is zero or given for another algorithm than the token bucket, or if the window has a calendar and the
    /// algorithm is not the fixed window.
    pub fn new(
        algorithm: Algorithm,
        requests: u64,
        window: Window,
        burst: Option<u64>,
        count_denied: Option<bool>,
    ) -> Result<Self, LimitError> {
        let burst = match burst {
            Some(_) if algorithm != Algorithm::TokenBucket => return Err(LimitError::BurstWithoutBucket(algorithm)),
            Some(0) => return Err(LimitError::ZeroBurst),
            other => other,
        };
        if window.calendar().is_some() && algorithm != Algorithm::FixedWindow {
            return Err(LimitError::CalendarOfOtherAlgorithm(algorithm));
        }
        let count_denied = count_denied.unwrap_or(algorithm == Algorithm::FixedWindow);
        let requests = requests.min(MAX_COUNT);
        // a bucket that never refills is empty from the start: "0 requests" denies everything, whatever the burst
        let burst = if requests == 0 { 0 } else { burst.unwrap_or(requests).min(MAX_COUNT) };
        Ok(Self { algorithm, window, requests, burst, count_denied })
    }

    /// A fixed window of `requests` that counts denied hits, as the reference does it.
    #[must_use]
    #[inline]
    pub fn fixed_window(requests: u64, window: impl Into<Window>) -> Self {
        let requests = requests.min(MAX_COUNT);
        Self { algorithm: Algorithm::FixedWindow, window: window.into(), requests, burst: requests, count_denied: true }
    }

    /// The share of one of `of` processes; at least 1 unless the whole is 0.
    #[must_use]
    #[inline]
    pub fn share(self, of: std::num::NonZeroU32) -> Self {
        let part = |whole: u64| if whole == 0 { 0 } else { (whole / u64::from(of.get())).max(1) };
        Self { requests: part(self.requests), burst: part(self.burst), ..self }
    }

    /// The algorithm.
    #[must_use]
    #[inline]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The window that `requests` refers to.
    #[must_use]
    #[inline]
    pub const fn window(&self) -> Window {
        self.window
    }

    /// Requests allowed per window, at most [`MAX_COUNT`].
    #[must_use]
    #[inline]
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    /// The size of the bucket; equal to [`Limit::requests`] for the other algorithms. 0 if `requests` is 0.
    #[must_use]
    #[inline]
    pub const fn burst(&self) -> u64 {
        self.burst
    }

    /// Whether denied hits are charged too.
    #[must_use]
    #[inline]
    pub const fn count_denied(&self) -> bool {
        self.count_denied
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {} ({}", self.requests, self.window, self.algorithm)?;
        if self.burst != self.requests {
            write!(f, " burst {}", self.burst)?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Unit;

    #[test]
    fn burst_needs_a_bucket() {
        let window = Window::from(Unit::Second);
        assert_eq!(
            Limit::new(Algorithm::SlidingWindow, 5, window, Some(5), None),
            Err(LimitError::BurstWithoutBucket(Algorithm::SlidingWindow))
        );
        assert_eq!(Limit::new(Algorithm::TokenBucket, 5, window, Some(0), None), Err(LimitError::ZeroBurst));
    }

    #[test]
    fn defaults_follow_the_algorithm() {
        let limit = |algorithm| Limit::new(algorithm, u64::MAX, Unit::Day.into(), None, None).expect("valid");
        assert!(limit(Algorithm::FixedWindow).count_denied());
        assert!(!limit(Algorithm::TokenBucket).count_denied());
        assert_eq!(limit(Algorithm::TokenBucket).burst(), MAX_COUNT);
    }

    #[test]
    fn a_limit_of_zero_has_a_burst_of_zero() {
        let limit = Limit::new(Algorithm::TokenBucket, 0, Unit::Day.into(), Some(9), None).expect("valid");
        assert_eq!(limit.burst(), 0);
    }
}
