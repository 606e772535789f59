//! Protobuf's wire format, written to a buffer: the length of a message is computed before its bytes are appended, so that
//! nothing is moved and nothing allocated beside the buffer.
//!
//! Fields with their default value are left out, as proto3 has it. Field numbers are below 16: a key is one byte.

/// Bytes that are gathered before they are appended. An answer with one status and no headers is shorter.
const ROOM: usize = 128;

/// Room for a number with its key, which has ten bytes at most.
const NUMBER: usize = 1 + 10;

/// A message that knows its length.
pub(super) trait Message {
    /// Its length in bytes.
    fn length(&self) -> usize;

    /// Writes as many bytes as [`length`](Self::length) says.
    fn write(&self, writer: &mut Writer<'_>);
}

/// Appends a message without its length.
pub(super) fn append(message: &impl Message, out: &mut Vec<u8>) {
    let mut writer = Writer { out, room: &mut [0; ROOM], gathered: 0 };
    message.write(&mut writer);
    writer.flush();
}

/// Appends fields to a buffer. Short ones are gathered, so that most answers are appended as one slice.
///
/// What is called for every answer is inlined, which leaves the parts of this in registers.
pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    room: &'a mut [u8; ROOM],
    gathered: usize,
}

impl Writer<'_> {
    /// A field that is a number.
    #[inline(always)]
    pub(super) fn number(&mut self, field: u8, number: u64) {
        if number != 0 {
            self.key_and_number(varint_key(field), number);
        }
    }

    /// A field that is text.
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

    /// A field that is a message.
    #[inline(always)]
    pub(super) fn nested(&mut self, field: u8, message: &impl Message) {
        self.key_and_number(length_key(field), message.length() as u64);
        message.write(self);
    }

    /// The buffer, for what is not written by this.
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
                // the highest bit is a byte of its own, and says in the one before that it follows
                self.room[at + 9..at + 11].copy_from_slice(&[(number >> 56) as u8, (number >> 63) as u8]);
            }
            self.gathered += 1 + varint_length(number);
        }
    }
}

/// The first eight bytes of a number's varint, the first one lowest. What is above the last byte of a shorter one is 0.
#[inline]
const fn spread(number: u64) -> u64 {
    // each step halves the groups of bits, until there are eight of seven bits each
    let word = number & 0x0fff_ffff | (number & 0x00ff_ffff_f000_0000) << 4;
    let word = word & 0x0000_3fff_0000_3fff | (word & 0x0fff_c000_0fff_c000) << 2;
    let word = word & 0x007f_007f_007f_007f | (word & 0x3f80_3f80_3f80_3f80) << 1;
    // all but the last byte say that another follows
    let last = varint_length(number) - 1;
    let followed = if last < 8 { !(u64::MAX << (8 * last)) } else { u64::MAX };
    word | 0x8080_8080_8080_8080 & followed
}

/// The key of a varint.
const fn varint_key(field: u8) -> u8 {
    debug_assert!(field < 16, "the key is one byte");
    field << 3
}

/// The key of what has its length before it.
const fn length_key(field: u8) -> u8 {
    varint_key(field) | 2
}

/// The length of a number without its key: a byte for every seven bits, and one for 0.
#[inline]
const fn varint_length(number: u64) -> usize {
    let bits = 64 - (number | 1).leading_zeros();
    // divided by seven and rounded up, for no more than 64 bits
    ((bits * 9 + 64) / 64) as usize
}

/// The length of a field that is a number.
#[inline]
pub(super) const fn number_length(number: u64) -> usize {
    if number == 0 { 0 } else { 1 + varint_length(number) }
}

/// The length of a field whose content has this length.
#[inline]
const fn delimited_length(content: usize) -> usize {
    1 + varint_length(content as u64) + content
}

/// The length of a field that is text.
#[inline]
pub(super) const fn text_length(text: &[u8]) -> usize {
    if text.is_empty() { 0 } else { delimited_length(text.len()) }
}

/// The length of a field that is a message, which is there even if nothing is in it.
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
    fn numbers_are_as_long_as_is_said_and_as_prost_writes_them() {
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
