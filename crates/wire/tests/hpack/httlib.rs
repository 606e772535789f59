//! Compared with the encoder of httlib-hpack, which uses indexing.

use httlib_hpack::Encoder;
use proptest::prelude::*;
use wire::hpack::Decoder;

use super::blocks::word;
use super::{Pair, decode};

/// A field, and how it is encoded.
fn field() -> impl Strategy<Value = (Pair, u8)> {
    const WAYS: [u8; 6] = [
        0,
        Encoder::WITH_INDEXING,
        Encoder::NEVER_INDEXED,
        Encoder::BEST_FORMAT,
        Encoder::BEST_FORMAT | Encoder::WITH_INDEXING,
        Encoder::BEST_FORMAT | Encoder::NEVER_INDEXED,
    ];
    let huffman = (any::<bool>(), any::<bool>()).prop_map(|(name, value)| {
        (u8::from(name) * Encoder::HUFFMAN_NAME) | (u8::from(value) * Encoder::HUFFMAN_VALUE)
    });
    ((word(), word()), proptest::sample::select(&WAYS[..]), huffman)
        .prop_map(|(pair, way, huffman)| (pair, way | huffman))
}

/// A size update, if there is one, and the fields after it.
type Block = (Option<u32>, Vec<(Pair, u8)>);

fn block() -> impl Strategy<Value = Block> {
    let update = prop_oneof![4 => Just(None), 1 => (0..=4096_u32).prop_map(Some)];
    (update, proptest::collection::vec(field(), 0..20))
}

proptest! {
    #[test]
    fn we_decode_what_httlib_encodes(blocks in proptest::collection::vec(block(), 1..10)) {
        let (mut encoder, mut decoder) = (Encoder::with_dynamic_size(4096), Decoder::new(4096));
        let mut scratch = Vec::new();
        for (update, fields) in blocks {
            let (mut block, mut expected) = (Vec::new(), Vec::new());
            if let Some(size) = update {
                encoder.update_max_dynamic_size(size, &mut block).expect("an update");
            }
            for ((name, value), flags) in fields {
                encoder.encode((name.clone(), value.clone(), flags), &mut block).expect("encoded");
                expected.push((name, value));
            }
            prop_assert_eq!(decode(&mut decoder, &block, &mut scratch), Ok(expected), "{:x?}", block);
        }
    }
}
