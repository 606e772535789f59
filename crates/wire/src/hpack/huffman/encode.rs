//! Encodes strings to Huffman code.

use super::{EOS, LENGTHS};

/// The code and length of each symbol.
static CODES: [(u32, u8); EOS] = {
    let mut codes = [(0, 0); EOS];
    let mut symbol = 0;
    while symbol < EOS {
        codes[symbol] = (super::CODES[symbol], LENGTHS[symbol]);
        symbol += 1;
    }
    codes
};

/// The length of the encoded string in octets.
pub(in super::super) fn encoded_length(plain: &[u8]) -> usize {
    let bits: usize = plain.iter().map(|byte| usize::from(CODES[usize::from(*byte)].1)).sum();
    bits.div_ceil(8)
}

/// Appends the encoded string.
pub(in super::super) fn encode(plain: &[u8], encoded: &mut Vec<u8>) {
    // The bits that are not appended yet, at the bottom: fewer than 32 between two symbols.
    let (mut window, mut bits) = (0_u64, 0);
    for byte in plain {
        let (code, length) = CODES[usize::from(*byte)];
        window = window << length | u64::from(code);
        bits += length;
        if bits >= 32 {
            bits -= 32;
            encoded.extend_from_slice(&((window >> bits) as u32).to_be_bytes());
        }
    }
    while bits >= 8 {
        bits -= 8;
        encoded.push((window >> bits) as u8);
    }
    if bits > 0 {
        encoded.push((window << (8 - bits)) as u8 | 0xff >> bits);
    }
}
