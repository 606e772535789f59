//! Decodes Huffman strings: two symbols per step, if both codes together are short.

use super::super::error::HuffmanError;
use super::{CODES, EOS, LENGTHS, long};

/// The number of bits per step: enough for two symbols of nearly all text. Two literals of 55 octets take 240 ns with
/// it, 300 ns with 11 bits, and no less with 13.
const WIDTH: usize = 12;

/// For each value of the next bits, the symbols with which they begin.
static STEPS: [Step; 1 << WIDTH] = steps();

/// The one or two symbols whose codes are at the start of some bits; none if the first code is longer than they are.
#[derive(Clone, Copy)]
struct Step {
    /// The symbols; zero if there is none.
    symbols: [u8; 2],
    /// The length of the first code.
    first: u8,
    /// The length of both codes; if there is only one symbol, that of the first.
    both: u8,
}

impl Step {
    const LONG: Self = Self { symbols: [0; 2], first: 0, both: 0 };

    /// The step for the bits at the top.
    #[inline]
    fn at(window: u64) -> Self {
        STEPS[(window >> (64 - WIDTH)) as usize]
    }

    #[inline]
    fn count(self) -> usize {
        usize::from(self.first > 0) + usize::from(self.both > self.first)
    }
}

/// Decodes a string into `buffer`, which grows as needed, from `start` on. Returns its end in the buffer.
///
/// # Errors
/// If the string is not valid Huffman code.
pub(in super::super) fn decode(encoded: &[u8], buffer: &mut Vec<u8>, start: usize) -> Result<usize, HuffmanError> {
    // A code has at least five bits, and symbols are written eight at a time.
    let room = encoded.len() * 8 / 5 + 8;
    if buffer.len() < start + room {
        buffer.resize(start + room, 0);
    }
    let plain = &mut buffer[start..];
    // The bits that are not decoded yet, from the top down. `bits` is their number; lower bits are either the following
    // ones or zeros.
    let (mut window, mut bits) = (0_u64, 0_usize);
    let (mut at, mut length) = (0, 0);
    while let Some(word) = encoded.get(at..).and_then(<[u8]>::first_chunk) {
        window |= u64::from_be_bytes(*word) >> bits;
        at += (63 - bits) / 8;
        bits |= 56;
        // Four steps need at most 48 bits; a long code ends them early.
        let (mut symbols, mut count, mut last) = (0, 0, Step::LONG);
        for _ in 0..4 {
            last = Step::at(window);
            symbols |= u64::from(u16::from_le_bytes(last.symbols)) << (8 * count);
            count += last.count();
            window <<= last.both;
            bits -= usize::from(last.both);
        }
        plain[length..length + 8].copy_from_slice(&u64::to_le_bytes(symbols));
        length += count;
        if last.first == 0 && bits >= super::MAX_CODE_BITS {
            let (symbol, code) = long::first(window);
            plain[length] = symbol.ok_or(HuffmanError::Eos)?;
            length += 1;
            window <<= code;
            bits -= code;
        }
    }
    let mut rest = encoded[at..].iter();
    loop {
        while bits <= 56
            && let Some(byte) = rest.next()
        {
            window |= u64::from(*byte) << (56 - bits);
            bits += 8;
        }
        if bits < 8 && window.leading_ones() as usize >= bits {
            return Ok(start + length);
        }
        let step = Step::at(window);
        let code = if step.first == 0 {
            let (symbol, code) = long::first(window);
            if code <= bits {
                plain[length] = symbol.ok_or(HuffmanError::Eos)?;
            }
            length += 1;
            code
        } else if usize::from(step.both) <= bits {
            plain[length..length + 2].copy_from_slice(&step.symbols);
            length += step.count();
            usize::from(step.both)
        } else {
            plain[length] = step.symbols[0];
            length += 1;
            usize::from(step.first)
        };
        bits = bits.checked_sub(code).ok_or(HuffmanError::Padding)?;
        window <<= code;
    }
}

const fn steps() -> [Step; 1 << WIDTH] {
    let mut steps = [Step::LONG; 1 << WIDTH];
    let mut first = 0;
    while first < EOS {
        let length = LENGTHS[first] as usize;
        if length <= WIDTH {
            let step = Step { symbols: [first as u8, 0], first: length as u8, both: length as u8 };
            fill(&mut steps, CODES[first] as usize, length, step);
            let mut second = 0;
            while second < EOS {
                let both = length + LENGTHS[second] as usize;
                if both <= WIDTH {
                    let step = Step { symbols: [first as u8, second as u8], first: length as u8, both: both as u8 };
                    let codes = (CODES[first] as usize) << LENGTHS[second] | CODES[second] as usize;
                    fill(&mut steps, codes, both, step);
                }
                second += 1;
            }
        }
        first += 1;
    }
    steps
}

/// Sets the step of all values that begin with these bits.
const fn fill(steps: &mut [Step; 1 << WIDTH], bits: usize, length: usize, step: Step) {
    let (first, mut n) = (bits << (WIDTH - length), 0);
    while n < 1 << (WIDTH - length) {
        steps[first + n] = step;
        n += 1;
    }
}
