//! Typing of scalars according to YAML 1.1, as in the YAML library of the reference.

/// A scalar: its text as written, and whether it has no quotes, so that it may be a number, a boolean or null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scalar<'d> {
    pub(crate) text: &'d str,
    pub(crate) plain: bool,
}

/// The type of a scalar where no particular type is expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Typed {
    Null,
    Bool(bool),
    /// In the range of i64 and u64 combined.
    Int(i128),
    Float(f64),
    /// Text, as written.
    Text,
}

impl Scalar<'_> {
    /// Whether it is empty, `~` or `null`, unquoted.
    pub(crate) fn is_null(self) -> bool {
        self.typed() == Typed::Null
    }

    /// The type of the scalar.
    pub(crate) fn typed(self) -> Typed {
        if !self.plain {
            return Typed::Text;
        }
        match self.text {
            "" | "~" | "null" | "Null" | "NULL" => Typed::Null,
            "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Typed::Bool(true),
            "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Typed::Bool(false),
            ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Typed::Float(f64::INFINITY),
            "-.inf" | "-.Inf" | "-.INF" => Typed::Float(f64::NEG_INFINITY),
            ".nan" | ".NaN" | ".NAN" => Typed::Float(f64::NAN),
            text if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) => number(text),
            _ => Typed::Text,
        }
    }
}

fn number(text: &str) -> Typed {
    let digits = text.replace('_', "");
    match integer(&digits) {
        Some(number) => Typed::Int(number),
        None if is_float(&digits) => digits.parse().map_or(Typed::Text, Typed::Float),
        None => Typed::Text,
    }
}

/// Parses decimal integers, `0x10`, `0b10`, `0o10` and the octal `010`, each with an optional sign.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // `from_str_radix` would accept a second sign
    let magnitude = u64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'))?;
    let number = if negative { -i128::from(magnitude) } else { i128::from(magnitude) };
    (number >= i128::from(i64::MIN)).then_some(number)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let mantissa_is_one = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(mantissa),
    };
    mantissa_is_one && exponent.is_none_or(|e| digits(e.strip_prefix(['-', '+']).unwrap_or(e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Typed {
        Scalar { text, plain: true }.typed()
    }

    #[test]
    fn integers_of_yaml_1_1() {
        for (text, number) in [
            ("10", 10),
            ("+5", 5),
            ("0x10", 16),
            ("010", 8),
            ("1_000", 1000),
            ("-3", -3),
            ("0", 0),
            ("-0", 0),
            ("0b11", 3),
        ] {
            assert_eq!(typed(text), Typed::Int(number), "{text}");
        }
        assert_eq!(typed("18446744073709551615"), Typed::Int(i128::from(u64::MAX)));
    }

    #[test]
    fn texts_that_look_like_numbers_but_are_none() {
        for text in ["1:30", "2024-01-01", "1.2.3", "0x", "_1", "+-5", "++5", "0x+5", "1e", "-", ".", "5 5", "+"] {
            assert_eq!(typed(text), Typed::Text, "{text}");
        }
        for (text, float) in
            [("08", 8.0), ("1.0", 1.0), ("1e3", 1000.0), (".5", 0.5), ("1.", 1.0), ("-.inf", f64::NEG_INFINITY)]
        {
            assert_eq!(typed(text), Typed::Float(float), "{text}");
        }
    }

    #[test]
    fn quotes_make_text() {
        for text in ["", "true", "5", "~"] {
            assert_eq!(Scalar { text, plain: false }.typed(), Typed::Text);
            assert_ne!(typed(text), Typed::Text);
        }
    }

    #[test]
    fn booleans_are_read_only_in_their_usual_letter_cases() {
        assert_eq!(typed("Yes"), Typed::Bool(true));
        assert_eq!(typed("OFF"), Typed::Bool(false));
        assert_eq!(typed("yEs"), Typed::Text);
    }
}
