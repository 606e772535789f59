//! Applies a scalar's tag as the YAML library of the reference does: `!!binary` is decoded, the core types keep their
//! types, and any other tag makes the scalar text.

use std::borrow::Cow;

use saphyr_parser::{ScalarStyle, Tag};

const CORE: &str = "tag:yaml.org,2002:";

/// Returns the text of a scalar, and whether it may be a number, a boolean or null.
pub(super) fn resolve<'t>(
    text: Cow<'t, str>,
    style: ScalarStyle,
    tag: Option<&Tag>,
) -> Result<(Cow<'t, str>, bool), String> {
    let Some(tag) = tag else { return Ok((text, style == ScalarStyle::Plain)) };
    // written `!!int` or `!<tag:yaml.org,2002:int>`
    let whole = format!("{}{}", tag.handle, tag.suffix);
    Ok(match whole.trim_start_matches('!').strip_prefix(CORE) {
        Some("int" | "float" | "bool" | "null") => (text, true),
        Some("merge") => {
            let is_merge = text == "<<";
            (text, is_merge)
        }
        Some("binary") => (Cow::Owned(binary(&text)?), false),
        _ => (text, false),
    })
}

fn binary(text: &str) -> Result<String, String> {
    let bytes = decode_base64(text).ok_or(
        "the !!binary value is not base64: four characters of A-Z, a-z, 0-9, + and / for each three bytes, padded with =",
    )?;
    String::from_utf8(bytes).map_err(|_| "the !!binary value is not UTF-8, and rules are text".to_owned())
}

/// Decodes base64 with padding. Line breaks, which block scalars contain, are skipped.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    if !digits.len().is_multiple_of(4) {
        return None;
    }
    let padding = digits.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3);
    for (at, four) in digits.chunks_exact(4).enumerate() {
        let padded = if (at + 1) * 4 == digits.len() { padding } else { 0 };
        let (digits, padding) = four.split_at(4 - padded);
        let mut digits = digits.iter().copied().map(digit).chain(padding.iter().map(|_| Some(0)));
        let number = digits.try_fold(0, |number, digit| Some(number << 6 | u32::from(digit?)))?;
        let [_, three @ ..] = number.to_be_bytes();
        bytes.extend_from_slice(&three[..3 - padded]);
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_as_in_go() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("aGk=", b"hi"),
            ("aGV\nsbG\r\n8=\n", b"hello"),
            ("/+8A", &[0xff, 0xef, 0]),
            ("Zg==", b"f"),
            // unused bits are ignored
            ("Zh==", b"f"),
        ] {
            assert_eq!(decode_base64(text).as_deref(), Some(bytes), "{text:?}");
        }
        for text in ["aGk", "a$b=", "aG k=", "====", "a===", "Zg==Zg==", "=Zg=", "Zm9v=", "aGk-"] {
            assert_eq!(decode_base64(text), None, "{text:?}");
        }
    }

    #[test]
    fn tags_determine_the_type_of_a_scalar() {
        let tag = |handle: &str, suffix: &str| Tag { handle: handle.to_owned(), suffix: suffix.to_owned() };
        let resolved = |text: &'static str, style, tag: &Tag| resolve(text.into(), style, Some(tag)).expect("a scalar");
        let (plain, quoted) = (ScalarStyle::Plain, ScalarStyle::DoubleQuoted);
        for (handle, suffix, text, style, wanted) in [
            (CORE, "str", "5", plain, ("5", false)),
            (CORE, "int", "5", quoted, ("5", true)),
            ("", "tag:yaml.org,2002:int", "5", quoted, ("5", true)),
            (CORE, "binary", "aGk=", plain, ("hi", false)),
            ("", "tag:yaml.org,2002:binary", "aGk=", quoted, ("hi", false)),
            (CORE, "merge", "<<", plain, ("<<", true)),
            (CORE, "merge", "5", plain, ("5", false)),
            (CORE, "timestamp", "2024-01-01", plain, ("2024-01-01", false)),
            (CORE, "set", "5", plain, ("5", false)),
            ("!", "own", "~", plain, ("~", false)),
            ("", "!", "5", plain, ("5", false)),
            ("", "tag:example.com,2000:x", "5", plain, ("5", false)),
        ] {
            assert_eq!(resolved(text, style, &tag(handle, suffix)), (wanted.0.into(), wanted.1), "{handle} {suffix}");
        }
        assert!(resolve("/w==".into(), plain, Some(&tag(CORE, "binary"))).is_err(), "not UTF-8");
    }
}
