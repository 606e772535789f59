//! Decides when to warn that a certificate expires soon, has expired, or is not valid yet.

use std::time::{Duration, SystemTime};

use crate::Validity;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long before the expiry the warnings begin. For a short-lived certificate they begin in the last tenth of its
/// lifetime instead, before which it is replaced if its renewal works.
const WARN_BEFORE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What to warn of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Warning {
    /// The certificate expires after this time.
    Soon(Duration),
    /// The certificate has expired.
    Expired,
    /// The certificate becomes valid after this time.
    NotYet(Duration),
}

/// Limits warnings to one a day. The first warning about another certificate, and the first after the expiry, are due
/// at once.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    /// The last warning: about which validity, whether the certificate had expired, and when.
    last: Option<(Validity, bool, SystemTime)>,
}

impl Expiry {
    /// The warning that is due now.
    pub(super) fn due(&mut self, validity: Validity, now: SystemTime) -> Option<Warning> {
        let warning = warning(validity, now)?;
        let expired = warning == Warning::Expired;
        if let Some((of, had_expired, at)) = self.last
            && (of, had_expired) == (validity, expired)
            // after the clock is set back, the warning is repeated at once
            && now.duration_since(at).is_ok_and(|since| since < DAY)
        {
            return None;
        }
        self.last = Some((validity, expired, now));
        Some(warning)
    }
}

fn warning(validity: Validity, now: SystemTime) -> Option<Warning> {
    if let Ok(left) = validity.not_before.duration_since(now)
        && !left.is_zero()
    {
        return Some(Warning::NotYet(left));
    }
    match validity.not_after.duration_since(now) {
        Err(_) => Some(Warning::Expired),
        Ok(left) if left < WARN_BEFORE.min(validity.length() / 10) => Some(Warning::Soon(left)),
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(days: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + days.try_into().map(|days: u32| DAY * days).expect("some days")
    }

    fn days(from: u64, to: u64) -> Validity {
        Validity { not_before: at(from), not_after: at(to) }
    }

    #[test]
    fn warnings_begin_a_week_before_the_expiry_and_come_once_a_day() {
        let (mut expiry, validity) = (Expiry::default(), days(100, 465));
        assert_eq!(expiry.due(validity, at(457)), None);
        assert_eq!(expiry.due(validity, at(458)), None);
        assert_eq!(expiry.due(validity, at(459)), Some(Warning::Soon(DAY * 6)));
        assert_eq!(expiry.due(validity, at(459) + DAY / 2), None);
        assert_eq!(expiry.due(validity, at(460)), Some(Warning::Soon(DAY * 5)));
    }

    #[test]
    fn the_expiry_and_a_new_certificate_are_logged_at_once() {
        let (mut expiry, validity) = (Expiry::default(), days(100, 465));
        assert_eq!(expiry.due(validity, at(465)), Some(Warning::Soon(Duration::ZERO)));
        assert_eq!(expiry.due(validity, at(465) + DAY / 24), Some(Warning::Expired));
        assert_eq!(expiry.due(validity, at(465) + DAY / 12), None);
        assert_eq!(expiry.due(days(400, 800), at(465) + DAY / 8), None);
        assert_eq!(expiry.due(days(400, 466), at(465) + DAY / 6), Some(Warning::Soon(DAY - DAY / 6)));
    }

    #[test]
    fn a_short_lived_certificate_is_warned_of_in_the_last_tenth_of_its_life() {
        let (mut expiry, validity) = (Expiry::default(), days(100, 101));
        assert_eq!(expiry.due(validity, at(101) - DAY / 9), None);
        assert_eq!(expiry.due(validity, at(101) - DAY / 11), Some(Warning::Soon(DAY / 11)));
    }

    #[test]
    fn a_validity_in_the_future_is_logged() {
        let mut expiry = Expiry::default();
        assert_eq!(expiry.due(days(100, 465), at(98)), Some(Warning::NotYet(DAY * 2)));
        assert_eq!(expiry.due(days(100, 465), at(100)), None);
    }
}
