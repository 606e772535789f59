//! Detects an `:authority` that the crate h2 would reject, and makes its replacement.
//!
//! The replacement decodes to as many bytes as the original, so that both sides still agree about the sizes in the
//! dynamic table, and it is never longer when encoded, so that a block can only shrink.

use std::ops::Range;

use http::uri::Authority;

use super::{
    hpack::{self, Field, Name, STATIC, Text, Unread},
    huffman,
};

/// The index of `:authority` with an empty value in the static table.
const AUTHORITY: usize = 1;
/// The index of the last pseudo-header in the static table.
const LAST_PSEUDO: usize = 14;

const NAME: &[u8] = b":authority";

/// How a header block must be changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// Not at all, whatever follows.
    Keep,
    /// That depends on bytes that follow.
    Undecided,
    /// The field in this range is replaced by these bytes, which are not longer.
    Replace(Range<usize>, Vec<u8>),
}

/// Decides from the front of a header block. Only the first `:authority` counts, and it must precede every regular
/// field; otherwise h2 rejects the request anyway.
#[inline]
pub(super) fn edit(block: &[u8]) -> Edit {
    let mut at = 0;
    loop {
        // Nearly all of a busy connection's fields are an index of one byte.
        while let Some(index) = block.get(at).copied().and_then(hpack::one_byte_index) {
            match usize::from(index) {
                AUTHORITY => return Edit::Replace(at..at + 1, Vec::new()),
                index if is_regular(index) => return Edit::Keep,
                _ => at += 1,
            }
        }
        let (field, length) = match hpack::field(&block[at..]) {
            Ok(read) => read,
            Err(Unread::Incomplete) => return Edit::Undecided,
            Err(Unread::Invalid) => return Edit::Keep,
        };
        let whole = at..at + length;
        match kind(&field) {
            Kind::Other => at += length,
            Kind::Regular => return Edit::Keep,
            // h2 accepts a request without an authority, and rejects one with an empty authority.
            Kind::EmptyAuthority => return Edit::Replace(whole, Vec::new()),
            Kind::Authority { inserted, value, value_at } => {
                return match replacement(value) {
                    None => Edit::Keep,
                    Some(new) if !new.is_empty() => {
                        let mut bytes = block[at..at + value_at].to_vec();
                        hpack::put_text(Text { huffman: value.huffman, bytes: &new }, &mut bytes);
                        Edit::Replace(whole, bytes)
                    }
                    // The dynamic table must get an entry of this size, and no valid authority is that short.
                    Some(_) if inserted => Edit::Keep,
                    Some(_) => Edit::Replace(whole, Vec::new()),
                };
            }
        }
    }
}

/// What a field means for the search for `:authority`.
enum Kind<'a> {
    /// An authority as a literal: see [`Field::Literal`].
    Authority { inserted: bool, value: Text<'a>, value_at: usize },
    /// The static entry with the empty value.
    EmptyAuthority,
    /// Another pseudo-header, or a field whose name is only in the dynamic table.
    Other,
    /// A regular field, before which all pseudo-headers must come.
    Regular,
}

fn kind<'a>(field: &Field<'a>) -> Kind<'a> {
    match *field {
        Field::Size => Kind::Other,
        Field::Indexed(AUTHORITY) => Kind::EmptyAuthority,
        Field::Literal { inserted, name, value, value_at } if is_authority(name) => {
            Kind::Authority { inserted, value, value_at }
        }
        Field::Indexed(index) | Field::Literal { name: Name::Index(index), .. } => {
            if is_regular(index) {
                Kind::Regular
            } else {
                Kind::Other
            }
        }
        Field::Literal { name: Name::Literal(name), .. } => {
            if is_pseudo(name) {
                Kind::Other
            } else {
                Kind::Regular
            }
        }
    }
}

/// Whether this index is a regular field of the static table.
fn is_regular(index: usize) -> bool {
    index > LAST_PSEUDO && index <= STATIC
}

fn is_authority(name: Name<'_>) -> bool {
    match name {
        Name::Index(index) => index == AUTHORITY,
        Name::Literal(Text { huffman: false, bytes }) => bytes == NAME,
        Name::Literal(Text { huffman: true, bytes }) => {
            is_pseudo(Text { huffman: true, bytes }) && {
                let mut name = Vec::with_capacity(NAME.len());
                huffman::decode(bytes, &mut name).is_ok() && name == NAME
            }
        }
    }
}

/// Whether a name begins with a colon, whose Huffman code is 1011100.
fn is_pseudo(name: Text<'_>) -> bool {
    let first = name.bytes.first();
    if name.huffman { first.is_some_and(|first| first >> 1 == 0b101_1100) } else { first == Some(&b':') }
}

/// The replacement of a value, in the same encoding, Huffman or not; `None` if the value is kept.
fn replacement(value: Text<'_>) -> Option<Vec<u8>> {
    if !value.huffman {
        return (!is_acceptable(value.bytes)).then(|| cleaned(value.bytes));
    }
    let mut plain = Vec::with_capacity(value.bytes.len() * 2);
    // A value that cannot be decoded is kept: h2 closes the connection because of it.
    huffman::decode(value.bytes, &mut plain).ok()?;
    if is_acceptable(&plain) {
        return None;
    }
    let mut bytes = Vec::with_capacity(value.bytes.len());
    huffman::encode(&cleaned(&plain), &mut bytes);
    Some(bytes)
}

/// Whether h2 accepts this authority.
fn is_acceptable(authority: &[u8]) -> bool {
    is_plainly_acceptable(authority) || Authority::try_from(authority).is_ok()
}

/// A fast check that accepts nearly all authorities in use, without the copy that `Authority` makes. `false` decides
/// nothing.
fn is_plainly_acceptable(authority: &[u8]) -> bool {
    let host = authority.iter().position(|byte| *byte == b':').unwrap_or(authority.len());
    let (host, port) = authority.split_at(host);
    let port = port.strip_prefix(b":").unwrap_or_default();
    !host.is_empty() && host.iter().all(|byte| keeps(*byte)) && port.iter().all(u8::is_ascii_digit)
}

/// The authority with each unacceptable byte replaced by `-`: `outbound|8081||limits.example` becomes
/// `outbound-8081--limits.example`.
fn cleaned(authority: &[u8]) -> Vec<u8> {
    authority.iter().map(|byte| if keeps(*byte) { *byte } else { b'-' }).collect()
}

fn keeps(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CLUSTER: &[u8] = b"outbound|8081||ratelimit.default.svc.cluster.local";
    const CLEAN: &[u8] = b"outbound-8081--ratelimit.default.svc.cluster.local";

    fn text(huffman: bool, plain: &[u8]) -> Vec<u8> {
        let (mut bytes, mut to) = (plain.to_vec(), Vec::new());
        if huffman {
            bytes.clear();
            huffman::encode(plain, &mut bytes);
        }
        hpack::put_text(Text { huffman, bytes: &bytes }, &mut to);
        to
    }

    /// Every encoding of an authority: the front of the field, and whether the value is Huffman encoded.
    fn forms() -> Vec<(Vec<u8>, bool)> {
        let mut fronts = vec![vec![0x41], vec![0x01], vec![0x11]];
        for first in [0x40, 0x00, 0x10] {
            for huffman in [false, true] {
                fronts.push([&[first][..], &text(huffman, NAME)].concat());
            }
        }
        fronts.into_iter().flat_map(|front| [(front.clone(), false), (front, true)]).collect()
    }

    #[test]
    fn a_cluster_name_is_replaced_in_every_encoding() {
        for (front, huffman) in forms() {
            let field = [&front[..], &text(huffman, CLUSTER)].concat();
            let block = [&[0x83, 0x86][..], &field, b"\x5f\x01x"].concat();
            let expected = [&front[..], &text(huffman, CLEAN)].concat();
            assert_eq!(edit(&block), Edit::Replace(2..2 + field.len(), expected), "{front:x?} {huffman}");
            assert_eq!(edit(&block[..1 + field.len()]), Edit::Undecided, "the field is incomplete");
        }
    }

    #[test]
    fn an_authority_that_h2_accepts_is_kept() {
        for authority in
            ["ratelimit", "ratelimit:8081", "10.0.0.1:8081", "[::1]:8081", "user@host", "ai_gateway_x", "h:"]
        {
            for (front, huffman) in forms() {
                let block = [front, text(huffman, authority.as_bytes())].concat();
                assert_eq!(edit(&block), Edit::Keep, "{authority}");
            }
        }
    }

    #[test]
    fn an_empty_authority_is_removed_unless_it_is_inserted_into_the_table() {
        assert_eq!(edit(b"\x83\x81\x86"), Edit::Replace(1..2, vec![]));
        for (front, huffman) in forms() {
            let block = [front, text(huffman, b"")].concat();
            let expected = if block[0] & 0x40 != 0 { Edit::Keep } else { Edit::Replace(0..block.len(), vec![]) };
            assert_eq!(edit(&block), expected);
        }
    }

    #[test]
    fn regular_fields_end_the_search_and_unknown_ones_do_not() {
        let bad = [&[0x01][..], &text(false, b"a|b")].concat();
        let after = |front: &[u8]| edit(&[front, &bad].concat());
        for regular in [&b"\x90"[..], b"\x5f\x01x", b"\x0f\x00\x01x", b"\x40\x01x\x01y", b"\x00\x81\xf3\x01y"] {
            assert_eq!(after(regular), Edit::Keep, "{regular:x?}");
        }
        for other in [
            &b"\x83\x86"[..],
            b"\x44\x02/x",
            b"\xbe\xff\x20",
            b"\x7f\x00\x01x",
            b"\x20\x3f\xe1\x1f",
            b"\x00\x05:path\x01/",
        ] {
            assert_eq!(
                after(other),
                Edit::Replace(other.len()..other.len() + 5, b"\x01\x03a-b".to_vec()),
                "{other:x?}"
            );
        }
        let fine = [&[0x01][..], &text(false, b"fine")].concat();
        assert_eq!(after(&fine), Edit::Keep, "h2 rejects a second authority");
        assert_eq!(after(b"\x80"), Edit::Keep, "h2 rejects an invalid field");
        assert_eq!(edit(b"\x83\x86"), Edit::Undecided, "an authority may follow");
        assert_eq!(edit(b""), Edit::Undecided);
    }

    #[test]
    fn no_byte_becomes_longer() {
        for byte in 0..=255 {
            let (before, after) = (text(true, &[byte; 8]), text(true, &cleaned(&[byte; 8])));
            assert!(after.len() <= before.len(), "{byte}");
        }
    }

    proptest! {
        #[test]
        fn replacements_are_acceptable_as_long_and_no_longer_encoded(
            authority in proptest::collection::vec(prop_oneof![any::<u8>(), b'!'..b'~'], 1..40), huffman: bool,
        ) {
            let value = text(huffman, &authority);
            let block = [&[0x41][..], &value].concat();
            match edit(&block) {
                Edit::Keep => prop_assert!(Authority::try_from(&authority[..]).is_ok()),
                Edit::Replace(range, new) => {
                    prop_assert!(Authority::try_from(&authority[..]).is_err());
                    prop_assert_eq!(range, 0..block.len());
                    prop_assert!(new.len() <= block.len());
                    let Ok((Field::Literal { inserted: true, value, .. }, length)) = hpack::field(&new) else {
                        return Err(TestCaseError::fail("not a field"));
                    };
                    prop_assert_eq!(length, new.len());
                    let mut plain = value.bytes.to_vec();
                    if value.huffman {
                        plain.clear();
                        huffman::decode(value.bytes, &mut plain).expect("well encoded");
                    }
                    prop_assert_eq!(plain.len(), authority.len());
                    prop_assert!(Authority::try_from(&plain[..]).is_ok());
                }
                Edit::Undecided => return Err(TestCaseError::fail("the block is complete")),
            }
        }

        #[test]
        fn the_fast_check_accepts_only_what_the_parser_accepts(authority in "[a-z:._-]{0,6}(:[0-9a:]{0,3})?") {
            if is_plainly_acceptable(authority.as_bytes()) {
                prop_assert!(Authority::try_from(authority.as_bytes()).is_ok());
            }
        }
    }
}
