use proptest::prelude::*;

use super::super::error::HuffmanError;
use super::*;

fn encoded(plain: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    encode(plain, &mut encoded);
    assert_eq!(encoded_length(plain), encoded.len());
    encoded
}

/// Decodes after three octets, which must not change.
fn decoded(encoded: &[u8]) -> Result<Vec<u8>, HuffmanError> {
    let mut buffer = b"abc".to_vec();
    let end = decode(encoded, &mut buffer, 3)?;
    assert_eq!(&buffer[..3], b"abc");
    Ok(buffer[3..end].to_vec())
}

/// Decodes one symbol after another, by definition.
fn definition(encoded: &[u8]) -> Result<Vec<u8>, HuffmanError> {
    let bits: Vec<u32> =
        encoded.iter().flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1))).collect();
    let (mut plain, mut code, mut length) = (Vec::new(), 0, 0);
    for bit in bits {
        (code, length) = (code << 1 | bit, length + 1);
        if let Some(symbol) = (0..=EOS).find(|symbol| (CODES[*symbol], LENGTHS[*symbol]) == (code, length)) {
            plain.push(u8::try_from(symbol).map_err(|_| HuffmanError::Eos)?);
            (code, length) = (0, 0);
        }
    }
    if length < 8 && code == (1 << length) - 1 { Ok(plain) } else { Err(HuffmanError::Padding) }
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
    assert_eq!(decoded(&[0xff; 12]), Err(HuffmanError::Eos));
    assert_eq!(decoded(&[0xff]), Err(HuffmanError::Padding), "a whole octet");
    assert_eq!(decoded(&[0b0001_1111, 0xff]), Err(HuffmanError::Padding), "a whole octet after a symbol");
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
    fn text_round_trips(plain in "[ -~]{0,80}") {
        prop_assert_eq!(decoded(&encoded(plain.as_bytes())), Ok(plain.into_bytes()));
    }

    #[test]
    fn octets_are_decoded_as_defined(
        code in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0xff), Just(0xfe)], 0..30)
    ) {
        prop_assert_eq!(decoded(&code), definition(&code));
    }
}
