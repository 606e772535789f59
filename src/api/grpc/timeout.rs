//! `grpc-timeout`: how long a caller waits, as at most eight digits and a unit
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests>).

use std::time::{Duration, Instant};

use super::quoted::Quoted;

/// The least margin for the response: one that is ready exactly at the deadline is late about half of the time.
const MIN_MARGIN: Duration = Duration::from_millis(2);
/// The margin is the timeout divided by this, if that is more than [`MIN_MARGIN`].
const MARGIN_SHARE: u32 = 5;
/// How late the runtime's timers may be: their resolution, and that of the poll that waits for them, is a millisecond.
const TIMER_RESOLUTION: Duration = Duration::from_millis(1);

/// The length of eight digits and a unit.
const LONGEST: usize = 9;

/// A `grpc-timeout` that cannot be parsed, with the messages of grpc-go.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TimeoutError {
    #[error("transport: timeout string is too short: {0}")]
    TooShort(Quoted),
    #[error("transport: timeout string is too long: {0}")]
    TooLong(Quoted),
    #[error("transport: timeout unit is not recognized: {0}")]
    Unit(Quoted),
    #[error("strconv.ParseUint: parsing {0}: invalid syntax")]
    Digits(Quoted),
}

/// Parses the value of a header.
pub(super) fn parse(value: &[u8]) -> Result<Duration, TimeoutError> {
    let quoted = || Quoted::new(value);
    let Some((unit, digits)) = value.split_last().filter(|(_, digits)| !digits.is_empty()) else {
        return Err(TimeoutError::TooShort(quoted()));
    };
    if value.len() > LONGEST {
        return Err(TimeoutError::TooLong(quoted()));
    }
    let unit = match unit {
        b'H' => Duration::from_secs(3600),
        b'M' => Duration::from_secs(60),
        b'S' => Duration::from_secs(1),
        b'm' => Duration::from_millis(1),
        b'u' => Duration::from_micros(1),
        b'n' => Duration::from_nanos(1),
        _ => return Err(TimeoutError::Unit(quoted())),
    };
    let mut number = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(TimeoutError::Digits(Quoted::new(digits)));
        }
        // at most eight digits: no overflow
        number = number * 10 + u32::from(digit - b'0');
    }
    Ok(unit * number)
}

/// The deadline of a request that arrived at `now`: its `grpc-timeout` less a margin for the response.
pub(super) fn deadline(timeout: Duration, now: Instant) -> Option<Instant> {
    let margin = MIN_MARGIN.max(timeout / MARGIN_SHARE) + TIMER_RESOLUTION;
    now.checked_add(timeout.saturating_sub(margin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(text: &str) -> Option<Duration> {
        let now = Instant::now();
        deadline(parse(text.as_bytes()).expect("valid"), now).map(|deadline| deadline - now)
    }

    #[test]
    fn a_fifth_of_the_time_and_a_millisecond_are_kept_for_the_answer() {
        assert_eq!(left("20m"), Some(Duration::from_millis(15)));
        assert_eq!(left("1S"), Some(Duration::from_millis(799)));
        assert_eq!(left("5000u"), Some(Duration::from_millis(2)));
        assert_eq!(left("1000000n"), Some(Duration::ZERO));
        assert_eq!(left("2M"), Some(Duration::from_millis(95_999)));
        assert_eq!(left("99999999H"), Some(Duration::from_secs(99_999_999 * 3600 / 5 * 4) - TIMER_RESOLUTION));
    }

    #[test]
    fn malformed_timeouts_have_grpc_go_s_messages() {
        for (text, error) in [
            ("", "transport: timeout string is too short: \"\""),
            ("S", "transport: timeout string is too short: \"S\""),
            ("10", "transport: timeout unit is not recognized: \"10\""),
            ("1x", "transport: timeout unit is not recognized: \"1x\""),
            ("123456789m", "transport: timeout string is too long: \"123456789m\""),
            ("-1S", "strconv.ParseUint: parsing \"-1\": invalid syntax"),
            ("+1S", "strconv.ParseUint: parsing \"+1\": invalid syntax"),
            ("1.5S", "strconv.ParseUint: parsing \"1.5\": invalid syntax"),
            (" 1S", "strconv.ParseUint: parsing \" 1\": invalid syntax"),
        ] {
            assert_eq!(parse(text.as_bytes()).expect_err("malformed").to_string(), error, "{text:?}");
        }
    }
}
