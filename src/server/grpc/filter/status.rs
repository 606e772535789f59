//! Detects `:status: 431` in the header blocks that h2 sends.

use super::{
    frame::{Head, flag, kind},
    hpack::{self, Field, Name, STATIC, Text, Unread},
    huffman,
};

/// The indexes of `:status` in the static table; none of these entries has the value 431.
const STATUS: std::ops::RangeInclusive<usize> = 8..=14;

const TOO_LARGE: &[u8] = b"431";

/// What must be known of h2's dynamic table to recognise the index of `:status: 431`.
#[derive(Debug, Default)]
pub(super) struct Statuses {
    /// How many entries were inserted so far.
    inserted: u64,
    /// The number of the last inserted entry that is `:status: 431`, from 0.
    too_large: Option<u64>,
    /// Whether a block could not be parsed, so that `inserted` may be wrong.
    is_lost: bool,
}

impl Statuses {
    /// Whether this frame, sent by h2, contains `:status: 431`. `payload` is empty if the frame is too long to be
    /// parsed.
    #[inline]
    pub(super) fn too_large(&mut self, payload: &[u8], head: Head) -> bool {
        // h2 sends neither padding nor priorities, and splits a block only above the peer's frame size.
        let is_whole = head.kind == kind::HEADERS && head.has(flag::END_HEADERS) && payload.len() == head.length;
        if self.is_lost || !is_whole || head.has(flag::PADDED | flag::PRIORITY) {
            self.is_lost = true;
            return false;
        }
        let (mut at, mut found) = (0, false);
        while at < payload.len() {
            // Nearly all of a busy connection's fields are an index of one byte.
            if let Some(index) = hpack::one_byte_index(payload[at]) {
                found |= self.is_entry(usize::from(index));
                at += 1;
                continue;
            }
            match hpack::field(&payload[at..]) {
                Ok((field, length)) => {
                    found |= self.field(&field);
                    at += length;
                }
                Err(Unread::Incomplete | Unread::Invalid) => {
                    self.is_lost = true;
                    return found;
                }
            }
        }
        found
    }

    /// Whether this is the index of `:status: 431`. The newest entry has the first index after the static table.
    #[inline]
    fn is_entry(&self, index: usize) -> bool {
        self.too_large.is_some_and(|entry| self.inserted - entry + STATIC as u64 == index as u64)
    }

    fn field(&mut self, field: &Field<'_>) -> bool {
        match *field {
            Field::Size => false,
            Field::Indexed(index) => self.is_entry(index),
            Field::Literal { inserted, name, value, .. } => {
                let found = matches!(name, Name::Index(index) if STATUS.contains(&index)) && is_too_large(value);
                if inserted {
                    if found {
                        self.too_large = Some(self.inserted);
                    }
                    self.inserted += 1;
                }
                found
            }
        }
    }
}

fn is_too_large(value: Text<'_>) -> bool {
    if !value.huffman {
        return value.bytes == TOO_LARGE;
    }
    let mut plain = Vec::with_capacity(TOO_LARGE.len());
    huffman::decode(value.bytes, &mut plain).is_ok() && plain == TOO_LARGE
}
