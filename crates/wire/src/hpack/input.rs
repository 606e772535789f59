//! The primitives of a block: encoded integers and strings (RFC 7541, section 5).

use super::error::HpackError;

/// The largest number of octets of an integer after its prefix. The largest integer then has 28 bits plus the prefix:
/// longer than any block, and no overflow.
const MAX_OCTETS: usize = 4;

/// The rest of a block.
#[derive(Debug)]
pub(super) struct Input<'a>(&'a [u8]);

/// An encoded string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text<'a> {
    pub(super) huffman: bool,
    pub(super) bytes: &'a [u8],
}

impl<'a> Input<'a> {
    pub(super) fn new(block: &'a [u8]) -> Self {
        Self(block)
    }

    /// The first octet, without consuming it.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Skips the first octet.
    #[inline]
    pub(super) fn skip(&mut self) {
        self.0 = self.0.get(1..).unwrap_or_default();
    }

    /// Consumes the next octet.
    fn octet(&mut self) -> Result<u8, HpackError> {
        let (first, rest) = self.0.split_first().ok_or(HpackError::Truncated)?;
        self.0 = rest;
        Ok(*first)
    }

    /// Consumes an integer: the last `prefix` bits of the first octet and, if these are all ones, the following octets.
    #[inline]
    pub(super) fn integer(&mut self, prefix: u8) -> Result<usize, HpackError> {
        let full = (1 << prefix) - 1;
        let value = usize::from(self.octet()?) & full;
        if value < full { Ok(value) } else { self.long_integer(full) }
    }

    fn long_integer(&mut self, full: usize) -> Result<usize, HpackError> {
        let mut value = full;
        for at in 0..MAX_OCTETS {
            let octet = self.octet()?;
            value += usize::from(octet & 0x7f) << (7 * at);
            if octet & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(HpackError::Integer)
    }

    pub(super) fn text(&mut self) -> Result<Text<'a>, HpackError> {
        let huffman = self.peek().is_some_and(|first| first & 0x80 != 0);
        let length = self.integer(7)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(HpackError::Truncated)?;
        self.0 = rest;
        Ok(Text { huffman, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_integers_of_the_rfc() {
        for (bytes, prefix, value) in [
            (&[0b1110_1010][..], 5, 10),
            (&[0b0001_1111, 0b1001_1010, 0b0000_1010], 5, 1337),
            (&[0b0010_1010], 8, 42),
            (&[0xff, 0x80, 0x80, 0x80, 0x00], 7, 127),
            (&[0xff, 0xff, 0xff, 0xff, 0x7f], 7, 127 + (1 << 28) - 1),
        ] {
            let mut input = Input::new(bytes);
            assert_eq!(input.integer(prefix), Ok(value));
            assert_eq!(input.peek(), None);
        }
    }

    #[test]
    fn an_integer_of_five_octets_after_the_prefix_is_rejected() {
        assert_eq!(Input::new(&[0xff, 0x80, 0x80, 0x80, 0x80, 0x00]).integer(7), Err(HpackError::Integer));
        assert_eq!(Input::new(&[0xff, 0x80, 0x80, 0x80]).integer(7), Err(HpackError::Truncated));
        assert_eq!(Input::new(&[]).integer(7), Err(HpackError::Truncated));
    }

    #[test]
    fn a_string_ends_after_its_length() {
        let mut input = Input::new(b"\x03abcd");
        assert_eq!(input.text(), Ok(Text { huffman: false, bytes: b"abc" }));
        assert_eq!(input.peek(), Some(b'd'));
        assert_eq!(Input::new(b"\x80").text(), Ok(Text { huffman: true, bytes: b"" }));
        assert_eq!(Input::new(b"\x04abc").text(), Err(HpackError::Truncated));
        assert_eq!(Input::new(b"").text(), Err(HpackError::Truncated));
    }
}
