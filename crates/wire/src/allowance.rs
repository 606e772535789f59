//! Limits the frames of a peer that do not belong to calls. Each is cheap, and needs a reply or nothing at all. A peer
//! that makes calls may send many of them; a peer that sends nothing else may send some per second, indefinitely.

use std::time::{Duration, Instant};

/// The largest balance.
const MAX_BALANCE: u32 = 10_000;
/// The number added per second.
const PER_SECOND: u32 = 1_000;
/// The number added per answered call.
const PER_CALL: u32 = 10;

/// How many more frames the peer may send.
#[derive(Debug)]
pub(crate) struct Allowance {
    left: u32,
    since: Instant,
}

/// The allowance is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UsedUp;

impl Allowance {
    pub(crate) fn new(now: Instant) -> Self {
        Self { left: MAX_BALANCE, since: now }
    }

    /// Subtracts this many frames; more than one for a frame whose cost is that of several.
    pub(crate) fn spend(&mut self, frames: u32, now: Instant) -> Result<(), UsedUp> {
        if self.left < frames {
            self.refill(now);
        }
        self.left = self.left.checked_sub(frames).ok_or(UsedUp)?;
        Ok(())
    }

    /// Adds the number for an answered call.
    pub(crate) fn answered(&mut self) {
        self.left = (self.left + PER_CALL).min(MAX_BALANCE);
    }

    /// Adds the number for the time since the last refill, which is limited because after some seconds the balance is
    /// full.
    fn refill(&mut self, now: Instant) {
        let passed =
            now.saturating_duration_since(self.since).min(Duration::from_secs(u64::from(MAX_BALANCE / PER_SECOND)));
        let gained = passed.as_millis() * u128::from(PER_SECOND) / 1000;
        if gained > 0 {
            self.since = now;
            self.left = self.left.saturating_add(u32::try_from(gained).unwrap_or(MAX_BALANCE)).min(MAX_BALANCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many frames can be sent at one instant.
    fn burst(allowance: &mut Allowance, now: Instant) -> u32 {
        (0..).find(|_| allowance.spend(1, now).is_err()).expect("it ends")
    }

    #[test]
    fn time_and_calls_refill_up_to_a_bound() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        assert_eq!(burst(&mut allowance, start), MAX_BALANCE);
        assert_eq!(burst(&mut allowance, start + Duration::from_millis(500)), 500);
        allowance.answered();
        assert_eq!(burst(&mut allowance, start + Duration::from_millis(500)), PER_CALL);
        assert_eq!(burst(&mut allowance, start + Duration::from_secs(3600)), MAX_BALANCE);
    }

    #[test]
    fn a_steady_peer_is_never_limited() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        for n in 0..100_000 {
            allowance.spend(1, start + Duration::from_millis(n)).expect("one each millisecond");
        }
    }
}
