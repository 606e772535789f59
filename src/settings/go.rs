//! Parses values as Go's standard library does, because the reference reads its environment with it:
//! `strconv.ParseBool`, `strconv.ParseInt` with base 0, `strconv.ParseFloat`, `time.ParseDuration`.

use std::time::Duration;

/// `1 t T TRUE true True 0 f F FALSE false False`.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A 64-bit integer: decimal, `0x…`, `0o…` or `0…` (octal), `0b…`; `_` may stand between digits and after the base.
pub(super) fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // An underscore has a digit, or the base, before it and a digit after it.
    let misplaced = digits.ends_with('_') || digits.contains("__") || (radix == 10 && digits.starts_with('_'));
    if misplaced {
        return None;
    }
    let digits = digits.replace('_', "");
    // `from_str_radix` would take a second sign.
    if !digits.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return None;
    }
    let size = i128::from(u64::from_str_radix(&digits, radix).ok()?);
    i64::try_from(if negative { -size } else { size }).ok()
}

/// A decimal number with or without an exponent; `_` may stand between its digits. Also `inf` and `nan`. Hexadecimal
/// floating-point numbers, which Go accepts, are not supported.
pub(super) fn number(text: &str) -> Option<f64> {
    let is_digit = |at: Option<&u8>| at.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    let misplaced =
        |at: usize| !is_digit(at.checked_sub(1).and_then(|at| bytes.get(at))) || !is_digit(bytes.get(at + 1));
    if text.match_indices('_').any(|(at, _)| misplaced(at)) {
        return None;
    }
    let number = text.replace('_', "").parse().ok()?;
    // A number out of range is an error in Go; Rust parses it as infinite.
    let is_in_range = |number: f64| number.is_finite() || !text.bytes().any(|byte| byte.is_ascii_digit());
    Some(number).filter(|&number| is_in_range(number))
}

/// `0`, or decimal numbers with a unit each: `10s`, `150us`, `1h30m`, `1.5h`. At most about 292 years; not negative.
pub(super) fn duration(text: &str) -> Option<Duration> {
    signed_duration(text).and_then(|(negative, length)| (!negative || length.is_zero()).then_some(length))
}

/// Whether the duration has a minus sign, and its length.
pub(super) fn signed_duration(text: &str) -> Option<(bool, Duration)> {
    match text.strip_prefix('-') {
        Some(rest) if !rest.starts_with('+') => Some((true, length(rest)?)),
        Some(_) => None,
        None => Some((false, length(text.strip_prefix('+').unwrap_or(text))?)),
    }
}

fn length(text: &str) -> Option<Duration> {
    let mut rest = text;
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, after) = split_digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), split_digits);
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let unit = unit_nanoseconds(&after[..end])?;
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(whole.checked_mul(unit)?)?.checked_add(fraction_of(fraction, unit))?;
        rest = &after[end..];
    }
    i64::try_from(total).ok().map(|_| Duration::from_nanos(total))
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The fraction `0.digits` of a unit, truncated to whole nanoseconds.
fn fraction_of(digits: &str, unit: u64) -> u64 {
    // The fifteenth digit of an hour is a few picoseconds: further digits change less than truncation does.
    let digits = &digits[..digits.len().min(15)];
    let value: u128 = digits.parse().unwrap_or(0);
    let scale = 10_u128.pow(u32::try_from(digits.len()).unwrap_or(0));
    u64::try_from(value * u128::from(unit) / scale).unwrap_or(0)
}

fn unit_nanoseconds(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn booleans() {
        for text in ["1", "t", "T", "true", "TRUE", "True"] {
            assert_eq!(boolean(text), Some(true), "{text}");
        }
        for text in ["0", "f", "F", "false", "FALSE", "False"] {
            assert_eq!(boolean(text), Some(false), "{text}");
        }
        for text in ["", "yes", "on", "tRUE", " true", "2"] {
            assert_eq!(boolean(text), None, "{text}");
        }
    }

    #[test]
    fn integers() {
        let good = [
            ("0", 0),
            ("+5", 5),
            ("-5", -5),
            ("0x5", 5),
            ("0XfF", 255),
            ("010", 8),
            ("0_7", 7),
            ("0o17", 15),
            ("0b101", 5),
            ("0x_1F", 31),
            ("1_000", 1000),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ];
        for (text, number) in good {
            assert_eq!(integer(text), Some(number), "{text}");
        }
        let bad = [
            "",
            "-",
            "+",
            "--1",
            "+-1",
            "0x",
            "0x+1",
            "08",
            "0b2",
            "1__0",
            "_1",
            "1_",
            "1.0",
            "1e3",
            "a",
            " 1",
            "1 ",
            "9223372036854775808",
            "tcp://10.0.0.1:6379",
        ];
        for text in bad {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn durations() {
        let good = [
            ("0", 0),
            ("+0", 0),
            ("-0", 0),
            ("-0s", 0),
            ("0s", 0),
            ("10s", 10_000_000_000),
            ("150us", 150_000),
            ("150µs", 150_000),
            ("150μs", 150_000),
            ("1h30m", 5_400_000_000_000),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("1.0000000019999999999999s", 1_000_000_001),
            ("2h45m30.5s", 9_930_500_000_000),
            ("9223372036854775807ns", i64::MAX.unsigned_abs()),
        ];
        for (text, nanos) in good {
            assert_eq!(duration(text), Some(Duration::from_nanos(nanos)), "{text}");
        }
        let bad = [
            "",
            "1",
            "10",
            "s",
            ".s",
            "-1s",
            "-",
            "+",
            "+-1s",
            "-+1s",
            "--1s",
            "1d",
            "1 s",
            "1s ",
            "1S",
            "1h30",
            "1..5s",
            "1e3s",
            "9223372036854775808ns",
            "99999999999999999999h",
            "∞",
        ];
        for text in bad {
            assert_eq!(duration(text), None, "{text}");
        }
        assert_eq!(signed_duration("-1m"), Some((true, Duration::from_secs(60))));
        assert_eq!(signed_duration("1m"), Some((false, Duration::from_secs(60))));
    }

    #[test]
    fn numbers() {
        for (text, value) in [
            ("0", 0.0),
            ("-0", 0.0),
            ("+0.8", 0.8),
            (".8", 0.8),
            ("8.", 8.0),
            ("1e-3", 0.001),
            ("1_0", 10.0),
            ("-2", -2.0),
            ("Inf", f64::INFINITY),
            ("-infinity", f64::NEG_INFINITY),
        ] {
            assert_eq!(number(text), Some(value), "{text}");
        }
        assert!(number("NaN").is_some_and(f64::is_nan));
        for text in ["", "80%", "1e400", "_1", "1_", "1__0", "1_.0", "0x1p-1", " 1", "1,5", "one"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn integers_read_back(number: i64) {
            prop_assert_eq!(integer(&number.to_string()), Some(number));
        }

        #[test]
        fn durations_read_back(hours in 0_u64..2_000_000, millis in 0_u64..3_600_000) {
            let expected = Duration::from_secs(hours * 3600) + Duration::from_millis(millis);
            prop_assert_eq!(duration(&format!("{hours}h{millis}ms")), Some(expected));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,12}", likely in "[-+0-9._xobhmsuµ]{0,24}") {
            for text in [&text, &likely] {
                let _ = (boolean(text), integer(text), number(text), signed_duration(text));
            }
        }
    }
}
