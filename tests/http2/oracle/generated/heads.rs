//! Heads with random fields.

use proptest::{collection::vec, prelude::*, sample::Index};

use crate::oracle::script::{Fields, fields, pair};

/// A field that may be malformed, misplaced or duplicated.
fn any_field() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let field = prop_oneof![
        ("x-[a-z]{1,3}", "[!-~]{0,9}"),
        ("te", "(trailers|gzip)"),
        ("content-length", "([6-9][0-9]|[0-9]{0,25}|-1)"),
        ("content-type", "(application/grpc(\\+x)?|text/plain)"),
        ("grpc-timeout", "([1-9]{1,2}[HMS]|[0-9a-z]{0,3}x)"),
        ("(connection|keep-alive|upgrade|transfer-encoding|proxy-connection)", "[a-z]{0,5}"),
        (":method", "(POST|GET)"),
        (":(scheme|authority|protocol)", "http"),
        (":path", "/x"),
        (":status", "200"),
    ];
    field.prop_map(|(name, value)| pair((&name, &value)))
}

/// The fields of a call in another order, with additional ones, and perhaps without a required one.
pub fn any_head() -> impl Strategy<Value = Fields> {
    let added = vec((any_field(), any::<Index>()), 0..4);
    let swapped = proptest::option::weighted(0.2, (any::<Index>(), any::<Index>()));
    let removed = proptest::option::weighted(0.2, prop_oneof![0..3_usize, 4..6_usize]);
    (added, swapped, removed).prop_map(|(added, swapped, removed)| {
        let mut fields = fields();
        if let Some(at) = removed {
            fields.remove(at);
        }
        for (field, at) in added {
            let is_first = field.0.starts_with(b":");
            let at = if is_first { 0 } else { 4.min(fields.len()) + at.index(fields.len() + 1) };
            fields.insert(at.min(fields.len()), field);
        }
        if let Some((one, other)) = swapped {
            let length = fields.len();
            fields.swap(one.index(length), other.index(length));
        }
        fields
    })
}
