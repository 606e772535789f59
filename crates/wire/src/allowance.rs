//! How many frames a peer may send that are no calls. Each costs little, and asks for an answer or for nothing at all;
//! so a peer that sends calls may send many, and one that sends nothing else may send some each second, for ever.

use std::time::{Duration, Instant};

/// The most that can be saved up.
const MOST: u32 = 10_000;
/// What each second gives.
const A_SECOND: u32 = 1_000;
/// What each answered call gives.
const A_CALL: u32 = 10;

/// The frames that may still come.
#[derive(Debug)]
pub(crate) struct Allowance {
    left: u32,
    since: Instant,
}

/// The peer has used it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UsedUp;

impl Allowance {
    pub(crate) fn new(now: Instant) -> Self {
        Self { left: MOST, since: now }
    }

    /// Uses so many frames: more than one for a frame that costs as much.
    pub(crate) fn spend(&mut self, frames: u32, now: Instant) -> Result<(), UsedUp> {
        if self.left < frames {
            self.refill(now);
        }
        self.left = self.left.checked_sub(frames).ok_or(UsedUp)?;
        Ok(())
    }

    /// A call was answered.
    pub(crate) fn answered(&mut self) {
        self.left = (self.left + A_CALL).min(MOST);
    }

    /// What the time since the last time gives; the whole of it would be more than enough after some seconds.
    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.since).min(Duration::from_secs(u64::from(MOST / A_SECOND)));
        let gained = passed.as_millis() * u128::from(A_SECOND) / 1000;
        if gained > 0 {
            self.since = now;
            self.left = self.left.saturating_add(u32::try_from(gained).unwrap_or(MOST)).min(MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many frames can be sent at one moment.
    fn burst(allowance: &mut Allowance, now: Instant) -> u32 {
        (0..).find(|_| allowance.spend(1, now).is_err()).expect("it ends")
    }

    #[test]
    fn time_and_calls_give_more_up_to_a_bound() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        assert_eq!(burst(&mut allowance, start), MOST);
        assert_eq!(burst(&mut allowance, start + Duration::from_millis(500)), 500);
        allowance.answered();
        assert_eq!(burst(&mut allowance, start + Duration::from_millis(500)), A_CALL);
        assert_eq!(burst(&mut allowance, start + Duration::from_secs(3600)), MOST);
    }

    #[test]
    fn a_steady_peer_may_go_on_for_ever() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        for n in 0..100_000 {
            allowance.spend(1, start + Duration::from_millis(n)).expect("one each millisecond");
        }
    }
}
