//! Writes protobuf's wire format to a buffer. The length of a message is computed before its bytes are appended, so
//! that nothing is moved, and nothing is allocated except in the buffer.
//!
//! Fields with their default value are omitted, as in proto3. Field numbers are below 16, so that a key is one byte.

/// The size of the array in which bytes are collected before they are appended. It holds an answer with one status and
/// no headers.
const ROOM: usize = 128;

/// The most bytes of a number with its key.
const NUMBER: usize = 1 + 10;

/// A message that can compute its encoded length.
pub(super) trait Message {
    /// The length of the encoded message in bytes.
    fn length(&self) -> usize;

    /// Writes exactly [`length`](Self::length) bytes.
    fn write(&self, writer: &mut Writer<'_>);
}

/// Appends a message without a length prefix.
pub(super) fn append(message: &impl Message, out: &mut Vec<u8>) {
    let mut writer = Writer { out, room: &mut [0; ROOM], gathered: 0 };
    message.write(&mut writer);
    writer.flush();
}

/// Appends fields to a buffer. Short fields are collected first, so that most answers are appended as one slice.
///
/// The methods that every answer uses are inlined, which keeps the fields of this struct in registers.
pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    room: &'a mut [u8; ROOM],
    gathered: usize,
}

impl Writer<'_> {
    /// Writes a varint field.
    #[inline(always)]
    pub(super) fn number(&mut self, field: u8, number: u64) {
        if number != 0 {
            self.key_and_number(varint_key(field), number);
        }
    }

    /// Writes a text field.
    #[inline(always)]
    pub(super) fn text(&mut self, field: u8, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        self.key_and_number(length_key(field), text.len() as u64);
        match self.room.get_mut(self.gathered..self.gathered + text.len()) {
            Some(room) => {
                room.copy_from_slice(text);
                self.gathered += text.len();
            }
            None => self.buffer().extend_from_slice(text),
        }
    }

    /// Writes a message field.
    #[inline(always)]
    pub(super) fn nested(&mut self, field: u8, message: &impl Message) {
        self.key_and_number(length_key(field), message.length() as u64);
        message.write(self);
    }

    /// The flushed buffer, for bytes that another encoder writes.
    #[inline(always)]
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        self.flush();
        self.out
    }

    #[inline(always)]
    fn flush(&mut self) {
        self.out.extend_from_slice(&self.room[..self.gathered]);
        self.gathered = 0;
    }

    #[inline(always)]
    fn key_and_number(&mut self, key: u8, number: u64) {
        if self.gathered > ROOM - NUMBER {
            self.flush();
        }
        let at = self.gathered;
        self.room[at] = key;
        if number < 0x80 {
            self.room[at + 1] = number as u8;
            self.gathered += 2;
        } else {
            self.room[at + 1..at + 9].copy_from_slice(&spread(number).to_le_bytes());
            if number >= 1 << 56 {
                // the tenth byte holds only the highest bit; that bit is also the continuation bit of the ninth byte
                self.room[at + 9..at + 11].copy_from_slice(&[(number >> 56) as u8, (number >> 63) as u8]);
            }
            self.gathered += 1 + varint_length(number);
        }
    }
}

/// The first eight bytes of a number's varint, in little-endian order. Bytes after the end of a shorter varint are 0.
#[inline]
const fn spread(number: u64) -> u64 {
    // each step halves the groups of bits, until there are eight groups of seven bits
    let word = number & 0x0fff_ffff | (number & 0x00ff_ffff_f000_0000) << 4;
    let word = word & 0x0000_3fff_0000_3fff | (word & 0x0fff_c000_0fff_c000) << 2;
    let word = word & 0x007f_007f_007f_007f | (word & 0x3f80_3f80_3f80_3f80) << 1;
    // all but the last byte have the continuation bit
    let last = varint_length(number) - 1;
    let followed = if last < 8 { !(u64::MAX << (8 * last)) } else { u64::MAX };
    word | 0x8080_8080_8080_8080 & followed
}

/// The key of a varint field.
const fn varint_key(field: u8) -> u8 {
    debug_assert!(field < 16, "the key is one byte");
    field << 3
}

/// The key of a length-delimited field.
const fn length_key(field: u8) -> u8 {
    varint_key(field) | 2
}

/// The length of a varint: a byte for every seven bits, and one byte for 0.
#[inline]
const fn varint_length(number: u64) -> usize {
    let bits = 64 - (number | 1).leading_zeros();
    // equals `bits.div_ceil(7)` for up to 64 bits
    ((bits * 9 + 64) / 64) as usize
}

/// The length of a varint field.
#[inline]
pub(super) const fn number_length(number: u64) -> usize {
    if number == 0 { 0 } else { 1 + varint_length(number) }
}

/// The length of a length-delimited field with this length of content.
#[inline]
const fn delimited_length(content: usize) -> usize {
    1 + varint_length(content as u64) + content
}

/// The length of a text field.
#[inline]
pub(super) const fn text_length(text: &[u8]) -> usize {
    if text.is_empty() { 0 } else { delimited_length(text.len()) }
}

/// The length of a message field, which is written even if the message is empty.
#[inline]
pub(super) fn nested_length(message: &impl Message) -> usize {
    delimited_length(message.length())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Numbers<'a>(&'a [u64]);

    impl Message for Numbers<'_> {
        fn length(&self) -> usize {
            self.0.iter().map(|number| number_length(*number)).sum()
        }

        fn write(&self, writer: &mut Writer<'_>) {
            self.0.iter().for_each(|number| writer.number(1, *number));
        }
    }

    #[test]
    fn numbers_have_the_computed_length_and_prost_s_encoding() {
        let numbers: Vec<u64> = (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit]).chain([u64::MAX]).collect();
        for numbers in numbers.iter().map(std::slice::from_ref).chain([&numbers[..]]) {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            append(&Numbers(numbers), &mut ours);
            numbers.iter().filter(|number| **number != 0).for_each(|number| {
                prost::encoding::uint64::encode(1, number, &mut theirs);
            });
            assert_eq!(ours, theirs);
            assert_eq!(Numbers(numbers).length(), ours.len());
        }
    }
}
