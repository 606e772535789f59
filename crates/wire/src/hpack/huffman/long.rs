//! Codes that are too long for the table: those of control characters and of octets that are not ASCII.

use super::{CODES, EOS, LENGTHS, MAX_CODE_BITS};

static LONG: Long = Long::new();

/// Symbols in the order of their codes, and where each length begins.
struct Long {
    /// All symbols in the order of their codes.
    symbols: [u16; EOS + 1],
    /// By length: the lowest 32-bit value above every code of up to this length.
    above: [u64; MAX_CODE_BITS + 1],
    /// By length: the number of codes of up to this length.
    count: [usize; MAX_CODE_BITS + 1],
}

/// The first symbol of these bits, from the top down (`None` if it is EOS), and the length of its code. Any sequence of
/// bits begins with a symbol.
pub(super) fn first(window: u64) -> (Option<u8>, usize) {
    let head = window >> 32;
    let length = (1..MAX_CODE_BITS).find(|length| head < LONG.above[*length]).unwrap_or(MAX_CODE_BITS);
    let from_the_last = (LONG.above[length] - 1 - head) >> (32 - length);
    let symbol = LONG.symbols[LONG.count[length] - 1 - from_the_last as usize];
    (u8::try_from(symbol).ok(), length)
}

impl Long {
    const fn new() -> Self {
        let mut long = Self { symbols: [0; EOS + 1], above: [0; MAX_CODE_BITS + 1], count: [0; MAX_CODE_BITS + 1] };
        let (mut placed, mut length) = (0, 1);
        while length <= MAX_CODE_BITS {
            long.above[length] = long.above[length - 1];
            let mut symbol = 0;
            while symbol <= EOS {
                if LENGTHS[symbol] as usize == length {
                    long.symbols[placed] = symbol as u16;
                    placed += 1;
                    long.above[length] = (CODES[symbol] as u64 + 1) << (32 - length);
                }
                symbol += 1;
            }
            long.count[length] = placed;
            length += 1;
        }
        long
    }
}
