//! HPACK's representations of header fields (RFC 7541, sections 5 and 6), parsed without the tables of HPACK.

/// The number of entries of the static table. A larger index is that of an entry of the dynamic table.
pub(super) const STATIC: usize = 61;

/// Why no field could be parsed from the front of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// The bytes end within the field.
    Incomplete,
    /// The bytes are not the front of a field, whatever follows them.
    Invalid,
}

/// A string in its encoded form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text<'a> {
    pub(super) huffman: bool,
    pub(super) bytes: &'a [u8],
}

/// The name of a literal field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name<'a> {
    /// The name is that of the table entry with this index.
    Index(usize),
    Literal(Text<'a>),
}

/// One field representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// The table entry with this index.
    Indexed(usize),
    Literal {
        /// Whether the field is inserted into the dynamic table.
        inserted: bool,
        name: Name<'a>,
        value: Text<'a>,
        /// The position of the value, counted from the start of the field.
        value_at: usize,
    },
    /// A dynamic table size update.
    Size,
}

/// The index, if this byte is an indexed field by itself.
#[inline]
pub(super) fn one_byte_index(first: u8) -> Option<u8> {
    (0x81..0xff).contains(&first).then_some(first & 0x7f)
}

/// The field at the front of `bytes`, and its encoded length.
pub(super) fn field(bytes: &[u8]) -> Result<(Field<'_>, usize), Unread> {
    let first = *bytes.first().ok_or(Unread::Incomplete)?;
    match first {
        0x80.. => {
            let (index, length) = integer(bytes, 7)?;
            if index == 0 { Err(Unread::Invalid) } else { Ok((Field::Indexed(index), length)) }
        }
        0x40..0x80 => literal(bytes, 6, true),
        0x20..0x40 => integer(bytes, 5).map(|(_, length)| (Field::Size, length)),
        0x00..0x20 => literal(bytes, 4, false),
    }
}

fn literal(bytes: &[u8], prefix: u8, inserted: bool) -> Result<(Field<'_>, usize), Unread> {
    let (index, mut at) = integer(bytes, prefix)?;
    let name = if index == 0 {
        let (name, length) = text(&bytes[at..])?;
        at += length;
        Name::Literal(name)
    } else {
        Name::Index(index)
    };
    let (value, length) = text(&bytes[at..])?;
    Ok((Field::Literal { inserted, name, value, value_at: at }, at + length))
}

fn text(bytes: &[u8]) -> Result<(Text<'_>, usize), Unread> {
    let (length, at) = integer(bytes, 7)?;
    let huffman = bytes[0] & 0x80 != 0;
    // this cannot overflow: an integer has at most 29 bits
    let bytes = bytes.get(at..at + length).ok_or(Unread::Incomplete)?;
    Ok((Text { huffman, bytes }, at + length))
}

/// The integer in the last `prefix` bits of the first byte and the bytes after it, and its encoded length. As in the
/// crate h2, that is at most five bytes.
#[inline]
fn integer(bytes: &[u8], prefix: u8) -> Result<(usize, usize), Unread> {
    let full = (1 << prefix) - 1;
    let mut value = usize::from(*bytes.first().ok_or(Unread::Incomplete)?) & full;
    if value < full {
        return Ok((value, 1));
    }
    for length in 2..=5 {
        let byte = *bytes.get(length - 1).ok_or(Unread::Incomplete)?;
        value += usize::from(byte & 0x7f) << (7 * (length - 2));
        if byte & 0x80 == 0 {
            return Ok((value, length));
        }
    }
    Err(Unread::Invalid)
}

/// Appends the length and the bytes of an encoded string to `to`.
pub(super) fn put_text(text: Text<'_>, to: &mut Vec<u8>) {
    let first = if text.huffman { 0x80 } else { 0 };
    let length = text.bytes.len();
    if length < 0x7f {
        to.push(first | length as u8);
    } else {
        to.push(first | 0x7f);
        let mut rest = length - 0x7f;
        while rest >= 0x80 {
            to.push(0x80 | (rest & 0x7f) as u8);
            rest >>= 7;
        }
        to.push(rest as u8);
    }
    to.extend_from_slice(text.bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Text<'_> {
        Text { huffman: false, bytes: text.as_bytes() }
    }

    #[test]
    fn the_examples_of_the_rfc() {
        assert_eq!(integer(&[0b1110_1010], 5), Ok((10, 1)));
        assert_eq!(integer(&[0b0001_1111, 0b1001_1010, 0b0000_1010], 5), Ok((1337, 3)));
        let custom = b"\x40\x0acustom-key\x0dcustom-header";
        let name = Name::Literal(plain("custom-key"));
        let field_of =
            |inserted, name, value, value_at| Field::Literal { inserted, name, value: plain(value), value_at };
        assert_eq!(field(custom), Ok((field_of(true, name, "custom-header", 12), custom.len())));
        let path = b"\x04\x0c/sample/path";
        assert_eq!(field(path), Ok((field_of(false, Name::Index(4), "/sample/path", 1), path.len())));
        let secret = b"\x10\x08password\x06secret";
        assert_eq!(field(secret), Ok((field_of(false, Name::Literal(plain("password")), "secret", 10), secret.len())));
        assert_eq!(field(b"\x82"), Ok((Field::Indexed(2), 1)));
    }

    #[test]
    fn every_prefix_of_a_field_is_incomplete() {
        for whole in
            [&b"\x40\x0acustom-key\x0dcustom-header"[..], b"\xff\x80\x01", b"\x41\x7f\x80\x01", b"\x3f\xe1\x1f"]
        {
            let complete = field(whole).map(|(_, length)| length);
            for length in 0..whole.len() {
                assert_eq!(field(&whole[..length]), Err(Unread::Incomplete), "{length} of {whole:x?}: {complete:?}");
            }
        }
    }

    #[test]
    fn an_index_of_one_byte_is_parsed_like_any_field() {
        for first in 0..=255 {
            let read = match field(&[first]) {
                Ok((Field::Indexed(index), 1)) => Some(index),
                _ => None,
            };
            assert_eq!(one_byte_index(first).map(usize::from), read, "{first:x}");
        }
    }

    #[test]
    fn invalid_fields_are_rejected() {
        assert_eq!(field(b"\x80"), Err(Unread::Invalid), "index 0");
        assert_eq!(field(b"\xff\x80\x80\x80\x80"), Err(Unread::Invalid), "an integer of more than five bytes");
    }

    #[test]
    fn strings_of_any_length_round_trip() {
        for length in [0, 1, 126, 127, 128, 254, 255, 300, 16_384, 20_000] {
            let bytes = vec![b'x'; length];
            for huffman in [false, true] {
                let (written, mut to) = (Text { huffman, bytes: &bytes }, Vec::new());
                put_text(written, &mut to);
                assert_eq!(text(&to), Ok((written, to.len())));
            }
        }
    }
}
