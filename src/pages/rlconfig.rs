//! The `/rlconfig` page: one limit per line, in the reference's format.

use std::fmt;

use limiter::domain::{Algorithm, Limit};

/// The page is sent in pieces of about this length, in bytes.
const PIECE: usize = 64 * 1024;

/// One limit of the active rules. A rule with several limits has a line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleLine {
    /// The domain and the levels, joined by dots; in a level, key and value are joined by `_`.
    pub name: String,
    /// `None`: unlimited.
    pub limit: Option<Limit>,
    /// Shadow mode: counted, not enforced.
    pub shadow: bool,
    /// Quota mode: a request is denied only if all of its quota rules are over their limits.
    pub quota: bool,
}

impl fmt::Display for RuleLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, limit, shadow, quota } = self;
        let unit = limit.as_ref().map_or("unknown", |limit| limit.window().unit().name()).to_ascii_uppercase();
        let requests = limit.as_ref().map_or(0, Limit::requests);
        let name = name.replace(['\n', '\r'], "_");
        write!(f, "{name}: unit={unit} requests_per_unit={requests}, shadow_mode: {shadow}, quota_mode: {quota}")?;
        match limit {
            Some(limit) => write_additions(f, limit),
            None => f.write_str(", unlimited: true"),
        }
    }
}

/// Writes the properties that the reference does not have, if they differ from their defaults.
fn write_additions(f: &mut fmt::Formatter<'_>, limit: &Limit) -> fmt::Result {
    let algorithm = limit.algorithm();
    if limit.window().multiplier().get() != 1 {
        write!(f, ", unit_multiplier: {}", limit.window().multiplier())?;
    }
    if let Some(calendar) = limit.window().calendar() {
        write!(f, ", calendar: true, time_zone: {}", calendar.zone())?;
    }
    if algorithm != Algorithm::FixedWindow {
        write!(f, ", algorithm: {algorithm}")?;
    }
    if limit.burst() != limit.requests() {
        write!(f, ", burst: {}", limit.burst())?;
    }
    if limit.count_denied() != (algorithm == Algorithm::FixedWindow) {
        write!(f, ", count_denied: {}", limit.count_denied())?;
    }
    Ok(())
}

/// The text of the page with these lines, in pieces of about 64 KiB.
pub fn rlconfig(lines: impl Iterator<Item = RuleLine>) -> impl Iterator<Item = String> {
    let mut lines = lines;
    std::iter::from_fn(move || {
        let mut piece = String::new();
        for line in lines.by_ref() {
            piece.push_str(&line.to_string());
            piece.push('\n');
            if piece.len() >= PIECE {
                break;
            }
        }
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use limiter::domain::{Unit, Window};

    fn line(limit: Option<Limit>) -> String {
        RuleLine { name: "d.k_v".into(), limit, shadow: true, quota: false }.to_string()
    }

    #[test]
    fn a_plain_rule_has_the_reference_s_format() {
        assert_eq!(
            line(Some(Limit::fixed_window(2, Unit::Day))),
            "d.k_v: unit=DAY requests_per_unit=2, shadow_mode: true, quota_mode: false"
        );
    }

    #[test]
    fn properties_beyond_the_reference_s_come_last() {
        let window = Window::new(Unit::Second, NonZeroU32::new(30).expect("not zero")).expect("valid");
        let limit = Limit::new(Algorithm::TokenBucket, 2, window, Some(5), Some(true)).expect("valid");
        assert_eq!(
            line(Some(limit)),
            "d.k_v: unit=SECOND requests_per_unit=2, shadow_mode: true, quota_mode: false, unit_multiplier: 30, \
             algorithm: token_bucket, burst: 5, count_denied: true"
        );
        assert_eq!(
            line(None),
            "d.k_v: unit=UNKNOWN requests_per_unit=0, shadow_mode: true, quota_mode: false, unlimited: true"
        );
    }

    #[test]
    fn many_rules_come_in_pieces() {
        let rule = RuleLine { name: "d.k".repeat(100), limit: None, shadow: false, quota: false };
        let pieces: Vec<_> = rlconfig(std::iter::repeat_n(rule, 1_000)).collect();
        assert!(pieces.len() > 1 && pieces.iter().all(|piece| piece.len() < 2 * PIECE));
        assert_eq!(pieces.concat().lines().count(), 1_000);
    }
}
