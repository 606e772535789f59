mod errors;
mod memory;
mod rfc;

use super::field::Field;
use super::{Decoder, HpackError};

/// A name and a value.
type Pair = (Vec<u8>, Vec<u8>);

fn pair(field: Field<'_>) -> Pair {
    (field.name.to_vec(), field.value.to_vec())
}

/// All fields of a block.
fn fields(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<Pair>, HpackError> {
    let mut fields = Vec::new();
    decoder.decode(block, &mut Vec::new(), |field| fields.push(pair(field)))?;
    Ok(fields)
}

/// All fields of a block, one per line.
fn text(decoder: &mut Decoder, block: &[u8]) -> String {
    lines(&fields(decoder, block).expect("a block"))
}

/// The entries of the dynamic table, one per line, and its size.
fn table(decoder: &Decoder) -> (String, usize) {
    let pairs: Vec<Pair> = decoder.table.iter().map(pair).collect();
    (lines(&pairs), decoder.table.size())
}

fn lines(pairs: &[Pair]) -> String {
    let line = |(name, value): &Pair| format!("{}: {}\n", name.escape_ascii(), value.escape_ascii());
    pairs.iter().map(line).collect()
}
