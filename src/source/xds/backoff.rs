//! The pause before the next stream.

use std::time::Duration;

use super::BackoffConfig;

/// The shortest pause, whatever is configured: a server that disconnects immediately must not be called in a busy loop.
pub(super) const SHORTEST: Duration = Duration::from_millis(100);

/// Computes pauses that grow up to a maximum until [`Backoff::reset`].
#[derive(Debug)]
pub(super) struct Backoff {
    config: BackoffConfig,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(config: BackoffConfig) -> Self {
        let mut backoff = Self { config, next: Duration::ZERO };
        backoff.reset();
        backoff
    }

    /// The next pause. `random` is from 0 to 1.
    pub(super) fn pause(&mut self, random: f64) -> Duration {
        let pause = self.next;
        // an overflow counts as the longest pause
        let grown = Duration::try_from_secs_f64(pause.as_secs_f64() * self.config.factor.max(1.0));
        let longest = self.config.max.max(self.first());
        self.next = grown.unwrap_or(longest).clamp(pause, longest);
        if self.config.jitter { pause + pause.mul_f64(random / 4.0) } else { pause }
    }

    /// Starts over with the first pause, after a stream that worked.
    pub(super) fn reset(&mut self) {
        self.next = self.first();
    }

    fn first(&self) -> Duration {
        self.config.initial.max(SHORTEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn pauses(config: BackoffConfig, random: f64) -> Vec<Duration> {
        let mut backoff = Backoff::new(config);
        (0..4).map(|_| backoff.pause(random)).collect()
    }

    #[test]
    fn the_reference_s_defaults_are_a_constant_pause() {
        let config = BackoffConfig { initial: 10 * S, max: 60 * S, factor: 0.5, jitter: false };
        assert_eq!(pauses(config, 1.0), [10 * S; 4]);
        assert_eq!(pauses(BackoffConfig { jitter: true, ..config }, 1.0), [Duration::from_millis(12_500); 4]);
        assert_eq!(pauses(BackoffConfig { jitter: true, ..config }, 0.0), [10 * S; 4]);
    }

    #[test]
    fn pauses_grow_to_the_longest_and_start_over_after_a_reset() {
        let config = BackoffConfig { initial: 10 * S, max: 60 * S, factor: 3.0, jitter: false };
        assert_eq!(pauses(config, 0.0), [10 * S, 30 * S, 60 * S, 60 * S]);
        let mut backoff = Backoff::new(config);
        backoff.pause(0.0);
        backoff.reset();
        assert_eq!(backoff.pause(0.0), 10 * S);
    }

    #[test]
    fn extreme_settings_do_not_panic() {
        let config = BackoffConfig { initial: Duration::ZERO, max: Duration::ZERO, factor: 0.0, jitter: true };
        assert_eq!(pauses(config, 0.0), [SHORTEST; 4]);
        let config = BackoffConfig { initial: 5 * S, max: S, factor: 1e300, jitter: false };
        assert_eq!(pauses(config, 0.0), [5 * S; 4]);
        let config = BackoffConfig { initial: 5 * S, max: Duration::MAX, factor: f64::MAX, jitter: false };
        assert_eq!(pauses(config, 0.0)[1], Duration::MAX);
    }
}
