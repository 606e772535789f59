//! The Huffman code of HPACK (RFC 7541, appendix B).
//!
//! The code is canonical: codes of one length are consecutive, in the order of their symbols, and follow the shorter
//! codes. So the lengths define the code, and every table here is computed from them at compile time.

/// The end-of-string symbol. No string may contain it; its first bits pad the last byte of a string.
const EOS: usize = 256;

/// The longest code, in bits.
const LONGEST: usize = 30;

/// The length of each symbol's code, in bits.
#[rustfmt::skip]
const LENGTHS: [u8; EOS + 1] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// The code of each symbol, in its lowest bits.
static CODES: [u32; EOS + 1] = codes();

/// The decoding tables.
static DECODER: Decoder = Decoder::new();

/// Why a string cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HuffmanError {
    /// The last byte is not padded with the first bits of EOS, or the padding is a whole byte or longer.
    #[error("the padding of a Huffman string is not up to seven one bits")]
    Padding,
    /// The string contains EOS.
    #[error("a Huffman string contains EOS")]
    Eos,
}

/// Appends the decoded string.
///
/// # Errors
/// If the string is not valid Huffman code. What was decoded before the error has been appended.
pub(super) fn decode(encoded: &[u8], decoded: &mut Vec<u8>) -> Result<(), HuffmanError> {
    // The bits that are not decoded yet: `bits` of them, from the most significant one on.
    let (mut window, mut bits) = (0_u64, 0_usize);
    let mut rest = encoded.iter();
    loop {
        while bits <= 56
            && let Some(byte) = rest.next()
        {
            window |= u64::from(*byte) << (56 - bits);
            bits += 8;
        }
        if bits < 8 && window.leading_ones() as usize >= bits {
            return Ok(());
        }
        let (symbol, length) = DECODER.first(window);
        if length > bits {
            return Err(HuffmanError::Padding);
        }
        decoded.push(u8::try_from(symbol).map_err(|_| HuffmanError::Eos)?);
        window <<= length;
        bits -= length;
    }
}

/// Appends the encoded string.
pub(super) fn encode(plain: &[u8], encoded: &mut Vec<u8>) {
    // The bits that are not appended yet, in the least significant bits: fewer than eight between two symbols.
    let (mut window, mut bits) = (0_u64, 0);
    for &byte in plain {
        window = window << LENGTHS[usize::from(byte)] | u64::from(CODES[usize::from(byte)]);
        bits += LENGTHS[usize::from(byte)];
        while bits >= 8 {
            bits -= 8;
            encoded.push((window >> bits) as u8);
        }
    }
    if bits > 0 {
        encoded.push((window << (8 - bits)) as u8 | 0xff >> bits);
    }
}

const fn codes() -> [u32; EOS + 1] {
    let mut codes = [0; EOS + 1];
    let (mut next, mut length) = (0, 1);
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol <= EOS {
            if LENGTHS[symbol] as usize == length {
                codes[symbol] = next;
                next += 1;
            }
            symbol += 1;
        }
        next <<= 1;
        length += 1;
    }
    codes
}

/// Finds the first symbol in a sequence of bits: with one lookup if its code has at most eight bits, as nearly all
/// characters of text do; otherwise by searching for the length of its code.
struct Decoder {
    /// By the first eight bits: symbol and code length. The length is zero if the code is longer than eight bits.
    short: [(u8, u8); 256],
    /// All symbols in the order of their codes.
    symbols: [u16; EOS + 1],
    /// By length: the smallest 32-bit value above all codes of at most this length.
    above: [u64; LONGEST + 1],
    /// By length: the number of codes of at most this length.
    count: [usize; LONGEST + 1],
}

impl Decoder {
    const fn new() -> Self {
        let mut decoder =
            Self { short: [(0, 0); 256], symbols: [0; EOS + 1], above: [0; LONGEST + 1], count: [0; LONGEST + 1] };
        let (codes, mut placed, mut length) = (codes(), 0, 1);
        while length <= LONGEST {
            decoder.above[length] = decoder.above[length - 1];
            let mut symbol = 0;
            while symbol <= EOS {
                if LENGTHS[symbol] as usize == length {
                    decoder.symbols[placed] = symbol as u16;
                    placed += 1;
                    decoder.above[length] = (codes[symbol] as u64 + 1) << (32 - length);
                    if length <= 8 {
                        let (first, mut n) = ((codes[symbol] as usize) << (8 - length), 0);
                        while n < 1 << (8 - length) {
                            decoder.short[first + n] = (symbol as u8, length as u8);
                            n += 1;
                        }
                    }
                }
                symbol += 1;
            }
            decoder.count[length] = placed;
            length += 1;
        }
        decoder
    }

    /// The first symbol of these bits, from the most significant one on, and the length of its code. Every sequence of
    /// bits begins with a code.
    fn first(&self, window: u64) -> (u16, usize) {
        let (symbol, length) = self.short[(window >> 56) as usize];
        if length > 0 {
            return (u16::from(symbol), usize::from(length));
        }
        let head = window >> 32;
        let length = (9..LONGEST).find(|length| head < self.above[*length]).unwrap_or(LONGEST);
        let from_the_last = (self.above[length] - 1 - head) >> (32 - length);
        (self.symbols[self.count[length] - 1 - from_the_last as usize], length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(plain: &[u8]) -> Vec<u8> {
        let mut encoded = Vec::new();
        encode(plain, &mut encoded);
        encoded
    }

    fn decoded(encoded: &[u8]) -> Result<Vec<u8>, HuffmanError> {
        let mut decoded = Vec::new();
        decode(encoded, &mut decoded).map(|()| decoded)
    }

    /// The string as another implementation decodes it; `None` if it rejects it.
    fn oracle(encoded: &[u8]) -> Option<Vec<u8>> {
        let mut decoded = Vec::new();
        httlib_huffman::decode(encoded, &mut decoded, httlib_huffman::DecoderSpeed::OneBit).ok().map(|()| decoded)
    }

    #[test]
    fn the_examples_of_the_rfc() {
        let examples: [(&[u8], &[u8]); 5] = [
            (b"www.example.com", b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"),
            (b"no-cache", b"\xa8\xeb\x10\x64\x9c\xbf"),
            (b"302", b"\x64\x02"),
            (b"private", b"\xae\xc3\x77\x1a\x4b"),
            (b"gzip", b"\x9b\xd9\xab"),
        ];
        for (plain, code) in examples {
            assert_eq!(encoded(plain), code);
            assert_eq!(decoded(code).as_deref(), Ok(plain));
        }
    }

    #[test]
    fn every_symbol_alone_and_before_each_other() {
        for first in 0..=255 {
            let mut other = Vec::new();
            httlib_huffman::encode(&[first], &mut other).expect("encoded");
            assert_eq!(encoded(&[first]), other, "{first}");
            for second in 0..=255 {
                assert_eq!(decoded(&encoded(&[first, second])), Ok(vec![first, second]));
            }
        }
    }

    #[test]
    fn eos_and_invalid_padding_are_rejected() {
        assert_eq!(decoded(&[0xff; 4]), Err(HuffmanError::Eos));
        assert_eq!(decoded(&[0xff]), Err(HuffmanError::Padding), "a whole byte");
        assert_eq!(decoded(&[0b0001_1000]), Err(HuffmanError::Padding), "zeros");
        assert_eq!(decoded(&[0b0001_1111]), Ok(b"a".to_vec()));
        assert_eq!(decoded(&[]), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn strings_round_trip(plain in proptest::collection::vec(any::<u8>(), 0..200)) {
            let code = encoded(&plain);
            prop_assert_eq!(decoded(&code), Ok(plain.clone()));
            let mut other = Vec::new();
            httlib_huffman::encode(&plain, &mut other).expect("encoded");
            prop_assert_eq!(code, other);
        }

        #[test]
        fn bytes_are_decoded_as_by_another_implementation(
            code in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0xff)], 0..20)
        ) {
            match decoded(&code) {
                Ok(plain) => {
                    prop_assert_eq!(&encoded(&plain), &code, "there is one code for each string");
                    prop_assert_eq!(oracle(&code), Some(plain));
                }
                // the other implementation accepts invalid padding
                Err(HuffmanError::Padding) => {}
                Err(HuffmanError::Eos) => prop_assert_eq!(oracle(&code), None),
            }
        }
    }
}
