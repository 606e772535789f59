//! Decodes a file: UTF-8, or UTF-16 with a byte order mark, as in YAML and in the reference.

use std::borrow::Cow;

/// Returns the text, or an error message.
pub(super) fn decode(content: &[u8]) -> Result<Cow<'_, str>, String> {
    match content {
        [0xff, 0xfe, rest @ ..] => utf_16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf_16(rest, u16::from_be_bytes),
        _ => std::str::from_utf8(content).map(Cow::Borrowed).map_err(|error| {
            let line = content[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
            format!("the file is not UTF-8: the first wrong byte is in line {line}: save it as UTF-8")
        }),
    }
}

fn utf_16(content: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'_, str>, String> {
    let (units, rest) = content.as_chunks::<2>();
    let text = char::decode_utf16(units.iter().map(|bytes| unit(*bytes))).collect::<Result<String, _>>();
    match text {
        Ok(text) if rest.is_empty() => Ok(Cow::Owned(text)),
        _ => Err("the file is not UTF-16, as its first bytes say: save it as UTF-8".to_owned()),
    }
}
