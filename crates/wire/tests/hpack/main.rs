//! HPACK compared with its own encoder, random octets, and independent implementations.

mod blocks;
mod go;
mod httlib;
mod loona;
mod properties;

use wire::hpack::{Decoder, Field, Header, HpackError};

/// A name and a value.
type Pair = (Vec<u8>, Vec<u8>);

/// All fields of a block.
fn decode(decoder: &mut Decoder, block: &[u8], scratch: &mut Vec<u8>) -> Result<Vec<Pair>, HpackError> {
    let mut fields = Vec::new();
    decoder.decode(block, scratch, |Field { header, name, value }| {
        assert_eq!(header, Header::of(name));
        fields.push((name.to_vec(), value.to_vec()));
    })?;
    Ok(fields)
}

/// Compares our decoding of a connection's blocks with another implementation's, up to the first error. They must
/// agree, except where `differ` allows an error for one of the two.
fn compare(
    (size, blocks): &(usize, Vec<Vec<u8>>),
    mut oracle: impl FnMut(&[u8]) -> Option<Vec<Pair>>,
    differ: impl Fn(&[u8], &Result<Vec<Pair>, HpackError>) -> bool,
    tally: &mut Tally,
) {
    let (mut decoder, mut scratch) = (Decoder::new(*size), Vec::new());
    for block in blocks {
        let (ours, theirs) = (decode(&mut decoder, block, &mut scratch), oracle(block));
        match (&ours, &theirs) {
            (Ok(ours), Some(theirs)) => {
                assert_eq!(ours, theirs, "{block:x?}");
                tally.same += 1;
            }
            (Err(_), None) => {
                tally.errors += 1;
                return;
            }
            _ => {
                assert!(differ(block, &ours), "{block:x?}: {ours:?}, the other one {theirs:?}");
                tally.differences += 1;
                return;
            }
        }
    }
}

/// How many blocks were decoded equally, were errors for both, or had a permitted difference.
#[derive(Debug, Default)]
struct Tally {
    same: u64,
    errors: u64,
    differences: u64,
}
