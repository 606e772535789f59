//! Any bytes as the blocks of a connection: our decoder must agree with loona-hpack, and our encoder must reproduce the
//! decoded fields.
#![no_main]

use wire::hpack::{Decoder, HpackError, put_field};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn decode(decoder: &mut Decoder, block: &[u8], scratch: &mut Vec<u8>) -> Result<Pairs, HpackError> {
    let mut pairs = Vec::new();
    decoder.decode(block, scratch, |field| pairs.push((field.name.to_vec(), field.value.to_vec())))?;
    Ok(pairs)
}

// The table's size in units of 16, then blocks, each after its length.
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [size, rest @ ..] = input else { return };
    let mut rest = rest;
    let size = usize::from(*size) * 16;
    let (mut ours, mut scratch) = (Decoder::new(size), Vec::new());
    let mut theirs = loona_hpack::Decoder::new();
    theirs.set_max_table_size(size);
    theirs.set_max_allowed_table_size(size);
    while let [length, after @ ..] = rest {
        let block;
        (block, rest) = after.split_at(after.len().min(usize::from(*length)));
        let (decoded, other) = (decode(&mut ours, block, &mut scratch), theirs.decode(block));
        match (decoded, other) {
            (Ok(decoded), Ok(other)) => {
                assert_eq!(decoded, other);
                let mut again = Vec::new();
                for (name, value) in &decoded {
                    put_field(name, value, &mut again);
                }
                assert_eq!(decode(&mut Decoder::new(0), &again, &mut scratch), Ok(decoded));
            }
            (Err(_), Err(_)) => return,
            // loona-hpack accepts size updates after fields, but none at a block's end, even if nothing else is in it
            (Err(HpackError::MisplacedSizeUpdate), Ok(_)) => return,
            (Ok(decoded), Err(_)) if decoded.is_empty() && !block.is_empty() => return,
            (decoded, other) => panic!("{block:x?}: {decoded:?}, loona-hpack {other:?}"),
        }
    }
});
