//! Encoded blocks are decoded to the same fields, and no octets make the decoder panic.

use proptest::prelude::*;
use wire::hpack::{Decoder, put_field, put_size_update_zero, put_status};

use super::blocks::{self, word};
use super::{Pair, decode};

fn fields() -> impl Strategy<Value = Vec<Pair>> {
    let known: Vec<Pair> =
        [(":status", "200"), ("accept-encoding", "gzip, deflate"), ("grpc-status", "0"), ("vary", "")]
            .map(|(name, value)| (name.into(), value.into()))
            .to_vec();
    proptest::collection::vec(prop_oneof![1 => proptest::sample::select(known), 3 => (word(), word())], 0..20)
}

proptest! {
    #[test]
    fn encoded_fields_round_trip_in_any_number_of_blocks(
        status in 100..1000_u16,
        fields in fields(),
        ends in proptest::collection::vec(any::<bool>(), 20),
    ) {
        let (mut ours, mut other) = (Decoder::new(4096), loona_hpack::Decoder::new());
        let (mut block, mut scratch) = (Vec::new(), Vec::new());
        put_size_update_zero(&mut block);
        put_status(status, &mut block);
        let mut expected = vec![(b":status".to_vec(), status.to_string().into_bytes())];
        for ((name, value), end) in fields.into_iter().zip(ends) {
            put_field(&name, &value, &mut block);
            expected.push((name, value));
            if end {
                prop_assert_eq!(decode(&mut ours, &block, &mut scratch), Ok(expected.clone()));
                prop_assert_eq!(other.decode(&block), Ok(std::mem::take(&mut expected)));
                block.clear();
            }
        }
        prop_assert_eq!(decode(&mut ours, &block, &mut scratch), Ok(expected));
    }

    /// Not even if decoding continues after an error.
    #[test]
    fn no_octets_make_it_panic(
        size in 0..5000_usize,
        blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..20),
    ) {
        let (mut decoder, mut scratch) = (Decoder::new(size), Vec::new());
        for block in blocks {
            let _ = decode(&mut decoder, &block, &mut scratch);
        }
    }

    #[test]
    fn no_damaged_block_makes_it_panic((size, blocks) in blocks::connection()) {
        let (mut decoder, mut scratch) = (Decoder::new(size), Vec::new());
        for block in blocks {
            let _ = decode(&mut decoder, &block, &mut scratch);
        }
    }

    #[test]
    fn the_content_of_the_scratch_buffer_does_not_matter(
        (size, blocks) in blocks::connection(),
        mut scratch in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let (mut one, mut two) = (Decoder::new(size), Decoder::new(size));
        for block in blocks {
            let used = decode(&mut one, &block, &mut scratch);
            prop_assert_eq!(used, decode(&mut two, &block, &mut Vec::new()));
        }
    }
}
