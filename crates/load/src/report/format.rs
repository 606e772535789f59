//! Numbers as text for people.

/// A time in nanoseconds, to three digits: `980 µs`, `1.23 ms`.
#[must_use]
pub fn time(nanos: f64) -> String {
    let (scale, unit) = match nanos {
        _ if nanos < 999.5 => (1.0, "ns"),
        _ if nanos < 999_500.0 => (1e3, "µs"),
        _ if nanos < 999.5e6 => (1e6, "ms"),
        _ => (1e9, "s"),
    };
    format!("{} {unit}", three_digits(nanos / scale))
}

/// The same, without trailing zeros.
pub(crate) fn round_time(nanos: u64) -> String {
    let text = time(nanos as f64);
    let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let number = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    format!("{number} {unit}")
}

/// A number with three significant digits, or with all digits before the decimal point if these are more.
#[must_use]
pub fn three_digits(number: f64) -> String {
    match number {
        _ if number >= 99.95 => format!("{number:.0}"),
        _ if number >= 9.995 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

/// A count, with a space between thousands.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A count of things: `1 error`, `2 errors`.
#[must_use]
pub fn things(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_a_unit() {
        for (nanos, text) in [
            (0.0, "0.00 ns"),
            (980.4, "980 ns"),
            (999.7, "1.00 µs"),
            (12_345.0, "12.3 µs"),
            (999_400.0, "999 µs"),
            (1_234_567.0, "1.23 ms"),
            (2.5e9, "2.50 s"),
            (3600e9, "3600 s"),
        ] {
            assert_eq!(time(nanos), text);
        }
    }

    #[test]
    fn round_times_have_no_more_digits_than_they_need() {
        for (nanos, text) in [(1_000, "1 µs"), (20_000_000, "20 ms"), (500_000, "500 µs"), (1_500_000_000, "1.5 s")] {
            assert_eq!(round_time(nanos), text);
        }
    }

    #[test]
    fn counts_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1 000"), (1_234_567, "1 234 567")] {
            assert_eq!(count(number), text);
        }
        assert_eq!((things(1, "error"), things(2000, "error")), ("1 error".to_owned(), "2 000 errors".to_owned()));
    }
}
