//! Compared with the decoder of loona-hpack.

use proptest::prelude::*;
use wire::hpack::HpackError;

use super::{Pair, Tally, blocks, compare};

/// Where loona-hpack differs:
/// - It accepts size updates anywhere; RFC 7541, section 4.2, allows them only at the start of a block.
/// - It rejects a block that ends with one, even if that is all there is. RFC 7541 has no such rule, and trailers may
///   be an empty list of fields.
fn differs(block: &[u8], ours: &Result<Vec<Pair>, HpackError>) -> bool {
    match ours {
        Ok(fields) => fields.is_empty() && !block.is_empty(),
        Err(error) => *error == HpackError::MisplacedSizeUpdate,
    }
}

#[test]
fn blocks_are_decoded_as_in_loona() {
    let mut tally = Tally::default();
    let cases = ProptestConfig::default().cases.max(512);
    let counted = std::cell::RefCell::new(&mut tally);
    proptest!(ProptestConfig::with_cases(cases), |(connection in blocks::connection())| {
        let mut other = loona_hpack::Decoder::new();
        other.set_max_table_size(connection.0);
        other.set_max_allowed_table_size(connection.0);
        compare(&connection, |block| other.decode(block).ok(), differs, &mut counted.borrow_mut());
    });
    assert!(tally.same > u64::from(cases), "{tally:?}");
    eprintln!("hpack: as loona-hpack: {tally:?}");
}
