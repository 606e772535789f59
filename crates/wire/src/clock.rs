//! Instants that cannot overflow.

use std::time::{Duration, Instant};

/// Represents infinity.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// The instant `after` later, or one that is never reached.
pub(crate) fn later(since: Instant, after: Duration) -> Instant {
    since + after.min(FAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_infinite_duration_does_not_overflow() {
        let now = Instant::now();
        assert_eq!(later(now, Duration::from_secs(1)), now + Duration::from_secs(1));
        assert!(later(now, Duration::MAX) > now + FAR / 2);
    }
}
