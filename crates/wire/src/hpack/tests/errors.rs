//! Errors, and valid input that resembles them.

use super::super::{HpackError, HuffmanError, put_size_update_zero};
use super::{Decoder, Pair, fields, table, text};

/// Decodes a block with a new decoder that has a table of 4096 octets.
fn fresh(block: &[u8]) -> Result<Vec<Pair>, HpackError> {
    fields(&mut Decoder::new(4096), block)
}

#[test]
fn indices_without_an_entry_are_rejected() {
    for (block, index) in [
        (&b"\x80"[..], 0),
        (b"\xbe", 62),
        (b"\xfe", 126),
        (b"\xff\x00", 127),
        (b"\xff\xff\xff\xff\x7f", 127 + (1 << 28) - 1),
        (b"\x7e\x01x", 62),
        (b"\x0f\x2f\x01x", 62),
        (b"\x1f\x2f\x01x", 62),
    ] {
        assert_eq!(fresh(block), Err(HpackError::Index(index)), "{block:x?}");
    }
}

#[test]
fn integers_of_more_than_four_octets_are_rejected() {
    for block in [
        &b"\xff\x80\x80\x80\x80\x00"[..],
        b"\x7f\x80\x80\x80\x80\x00",
        b"\x0f\x80\x80\x80\x80\x00",
        b"\x3f\x80\x80\x80\x80\x00",
        b"\x40\x7f\x80\x80\x80\x80\x00",
        b"\x41\x7f\xff\xff\xff\xff\xff",
    ] {
        assert_eq!(fresh(block), Err(HpackError::Integer), "{block:x?}");
    }
}

#[test]
fn a_field_truncated_anywhere_is_rejected() {
    for whole in [&b"\x40\x0acustom-key\x0dcustom-header"[..], b"\x1f\x2d\x83\x64\x0e\xff", b"\x3f\xe1\x1f\x82"] {
        assert!(fresh(whole).is_ok(), "{whole:x?}");
        for length in 1..whole.len() {
            let complete = whole[..length] == b"\x3f\xe1\x1f"[..];
            let expected = if complete { Ok(vec![]) } else { Err(HpackError::Truncated) };
            assert_eq!(fresh(&whole[..length]), expected, "{length} of {whole:x?}");
        }
    }
    assert_eq!(fresh(b""), Ok(vec![]));
}

#[test]
fn size_updates_come_first_and_at_most_twice() {
    assert_eq!(fresh(b"\x20\x3f\xe1\x1f\x82").map(|fields| fields.len()), Ok(1));
    assert_eq!(fresh(b"\x20\x20\x20"), Err(HpackError::MisplacedSizeUpdate));
    assert_eq!(fresh(b"\x82\x20"), Err(HpackError::MisplacedSizeUpdate));
    assert_eq!(fresh(b"\x3f\xe2\x1f"), Err(HpackError::TableTooLarge(4097)));
    assert_eq!(fresh(b"\x20\x3f\xe2\x1f"), Err(HpackError::TableTooLarge(4097)));
}

#[test]
fn huffman_strings_are_strict() {
    let refused = |error| Err(HpackError::Huffman(error));
    for (value, expected) in [
        (&b"\x81\xff"[..], refused(HuffmanError::Padding)),
        (b"\x82\x1f\xff", refused(HuffmanError::Padding)),
        (b"\x81\x18", refused(HuffmanError::Padding)),
        (b"\x84\xff\xff\xff\xff", refused(HuffmanError::Eos)),
        (b"\x81\x1f", Ok(vec![(b":path".to_vec(), b"a".to_vec())])),
    ] {
        assert_eq!(fresh(&[b"\x04", value].concat()), expected, "{value:x?}");
        let name = [b"\x10", value, b"\x00"].concat();
        assert_eq!(fresh(&name).is_ok(), expected.is_ok(), "{value:x?}");
    }
}

#[test]
fn a_size_update_evicts() {
    let mut decoder = Decoder::new(4096);
    text(&mut decoder, b"\x40\x01a\x011\x40\x01b\x012\x40\x01c\x013");
    assert_eq!(table(&decoder), ("c: 3\nb: 2\na: 1\n".to_owned(), 102));
    assert_eq!(text(&mut decoder, b"\x3f\x47"), "");
    assert_eq!(table(&decoder), ("c: 3\nb: 2\na: 1\n".to_owned(), 102), "a limit of 102");
    text(&mut decoder, b"\x3f\x46");
    assert_eq!(table(&decoder), ("c: 3\nb: 2\n".to_owned(), 68), "a limit of 101");
}

#[test]
fn an_entry_larger_than_the_table_empties_it() {
    let mut decoder = Decoder::new(70);
    assert_eq!(text(&mut decoder, b"\x40\x01a\x011\x40\x01b\x012"), "a: 1\nb: 2\n");
    assert_eq!(table(&decoder), ("b: 2\na: 1\n".to_owned(), 68));
    let large = [&b"\x7e\x26"[..], &[b'x'; 38]].concat();
    assert_eq!(text(&mut decoder, &large), format!("b: {}\n", "x".repeat(38)));
    assert_eq!(table(&decoder), (String::new(), 0));
    assert_eq!(fields(&mut decoder, b"\xbe"), Err(HpackError::Index(62)));
}

#[test]
fn the_name_of_an_entry_that_the_insertion_evicts() {
    let mut decoder = Decoder::new(80);
    text(&mut decoder, b"\x40\x04name\x011");
    for round in 0..100 {
        let (value, last) = (format!("{round:030}"), table(&decoder).0);
        let block = [&b"\x7e\x1e"[..], value.as_bytes()].concat();
        assert_eq!(text(&mut decoder, &block), format!("name: {value}\n"), "after {last}");
        assert_eq!(table(&decoder), (format!("name: {value}\n"), 66));
    }
}

#[test]
fn with_a_table_size_of_zero_nothing_is_kept() {
    let mut decoder = Decoder::new(4096);
    text(&mut decoder, b"\x40\x01a\x011");
    let mut update = Vec::new();
    put_size_update_zero(&mut update);
    update.extend_from_slice(b"\x40\x01b\x012");
    assert_eq!(text(&mut decoder, &update), "b: 2\n");
    assert_eq!(table(&decoder), (String::new(), 0));
}
