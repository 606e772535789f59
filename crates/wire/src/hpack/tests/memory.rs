//! The memory of a decoder.

use proptest::prelude::*;

use super::super::field::{Field, Header};
use super::{Decoder, Pair, fields, pair};

#[test]
fn a_decoder_without_entries_has_no_memory() {
    let mut decoder = Decoder::new(4096);
    fields(&mut decoder, b"\x3f\xe1\x1f\x82\x86\x04\x01/\x00\x01a\x011").expect("a block");
    assert_eq!(decoder.table.memory(), 0);
    assert!(size_of::<Decoder>() <= 64, "{}", size_of::<Decoder>());
}

#[test]
fn a_few_entries_have_little_memory() {
    let mut decoder = Decoder::new(4096);
    for name in b'a'..b'm' {
        fields(&mut decoder, &[&[0x40, 1, name, 20], &[b'x'; 20][..]].concat()).expect("a block");
    }
    assert!(decoder.table.memory() <= decoder.table.size(), "{}", decoder.table.memory());
}

/// As a proxy does that sends a value with each call that differs from that of the previous call.
#[test]
fn a_full_table_uses_no_more_memory_than_its_size() {
    let mut decoder = Decoder::new(4096);
    for n in 0..1000 {
        fields(&mut decoder, &[&[0x40, 11][..], b"traceparent", &[55], &[n as u8; 55]].concat()).expect("a block");
        if n > 100 {
            assert!(decoder.table.memory() <= decoder.table.size(), "{}", decoder.table.memory());
        }
    }
}

#[test]
fn the_largest_table_holds_all_its_octets() {
    let mut decoder = Decoder::new(1 << 15);
    for n in 0..100_u8 {
        let (name, value) = ([n; 10], [n; 7000]);
        decoder.table.insert(Field { header: Header::Other, name: &name, value: &value });
        let kept: Vec<Pair> = decoder.table.iter().map(pair).collect();
        let expected = (0..=n).rev().take(4).map(|n| (vec![n; 10], vec![n; 7000]));
        assert_eq!(kept, expected.collect::<Vec<_>>());
    }
}

proptest! {
    /// The table compared with a list of pairs of bounded size.
    #[test]
    fn a_table_keeps_its_newest_entries_in_bounded_memory(
        max in 0_usize..600,
        steps in proptest::collection::vec((0_usize..40, 0_usize..300, 0_usize..20, 0_usize..600), 1..200),
    ) {
        let mut decoder = Decoder::new(max);
        let (mut model, mut limit): (Vec<Pair>, usize) = (Vec::new(), max);
        let size = |model: &[Pair]| model.iter().map(|(name, value)| name.len() + value.len() + 32).sum::<usize>();
        for (at, (name, value, resize, to)) in steps.into_iter().enumerate() {
            if resize == 0 {
                limit = to.min(max);
                decoder.table.resize(limit);
            } else {
                let (name, value) = (vec![at as u8; name], vec![!(at as u8); value]);
                decoder.table.insert(Field { header: Header::Other, name: &name, value: &value });
                model.insert(0, (name, value));
            }
            while size(&model) > limit {
                model.pop();
            }
            prop_assert_eq!(decoder.table.iter().map(pair).collect::<Vec<_>>(), &model[..]);
            prop_assert_eq!(decoder.table.size(), size(&model));
            // the table and an eighth; and entries of 8 octets: up to a quarter more than there can be, or 4
            let most = max / 32;
            prop_assert!(decoder.table.memory() <= max + max / 8 + 8 * (most + 4.max(most / 4)));
        }
    }
}
