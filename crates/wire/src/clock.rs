//! Points in time.

use std::time::{Duration, Instant};

/// What stands for never.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// The time after this much, or a time that is never reached.
pub(crate) fn later(since: Instant, after: Duration) -> Instant {
    since + after.min(FAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_ever_is_a_patience_as_well() {
        let now = Instant::now();
        assert_eq!(later(now, Duration::from_secs(1)), now + Duration::from_secs(1));
        assert!(later(now, Duration::MAX) > now + FAR / 2);
    }
}
