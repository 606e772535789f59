//! Bytes as readable text, for labels, logs and pages.

use std::{borrow::Cow, fmt};

/// Displays bytes as text: UTF-8 as it is, each other byte as `\xNN`.
///
/// For display only: text that literally contains `\xNN` looks the same as the escaped byte, so nothing that must keep
/// inputs apart (a counter key, a rule) may be built from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Escaped<'a>(pub &'a [u8]);

impl<'a> Escaped<'a> {
    /// The text; borrowed if the bytes are UTF-8.
    #[must_use]
    pub fn to_text(self) -> Cow<'a, str> {
        match str::from_utf8(self.0) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(self.to_string()),
        }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_is_not_utf8_is_escaped() {
        for (bytes, text) in [
            (&b""[..], ""),
            ("café \u{0}\\ 日本".as_bytes(), "café \u{0}\\ 日本"),
            (b"caf\xe9", r"caf\xe9"),
            (b"\xff\xfeok\x80", r"\xff\xfeok\x80"),
            // cut short in a character; a surrogate; an over-long form
            (b"\xe6\x97x", r"\xe6\x97x"),
            (b"\xed\xa0\x80", r"\xed\xa0\x80"),
            (b"\xc0\xaf", r"\xc0\xaf"),
        ] {
            assert_eq!(Escaped(bytes).to_text(), text);
            assert_eq!(Escaped(bytes).to_string(), text);
        }
    }

    #[test]
    fn utf8_is_borrowed() {
        assert!(matches!(Escaped("é".as_bytes()).to_text(), Cow::Borrowed("é")));
    }

    proptest! {
        #[test]
        fn bytes_that_are_not_utf8_differ_where_they_do(
            one in "[a-zé]{0,3}", other in "[a-zé]{0,3}", byte in 0x80..=u8::MAX, another in 0x80..=u8::MAX,
        ) {
            // a backslash is the only character that an escape shares with a text
            let escaped = |byte: u8| Escaped(&[one.as_bytes(), &[byte], b" ", other.as_bytes()].concat()).to_string();
            prop_assert_eq!(escaped(byte) == escaped(another), byte == another);
        }
    }
}
