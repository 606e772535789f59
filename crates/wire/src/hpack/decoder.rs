//! Blocks to fields (RFC 7541, section 3).

use std::ops::Range;

use super::dynamic::Table;
use super::error::HpackError;
use super::field::{Field, Header};
use super::input::{Input, Text};
use super::{huffman, statics};

/// The size updates that a block may begin with: the smallest one since the last block and the last one (RFC 7541,
/// section 4.2).
const MOST_SIZE_UPDATES: usize = 2;

/// Decodes the blocks of a connection, every one in the order that they come in: a block that is not decoded, as that
/// of a refused stream, leaves the dynamic table behind the peer's.
#[derive(Debug)]
pub struct Decoder {
    pub(super) table: Table,
}

/// Where a part of a field is.
enum Part<'a> {
    /// In the block or in the static table.
    Given(&'a [u8]),
    /// In the scratch buffer.
    Scratch(Range<usize>),
}

impl Decoder {
    /// One with an empty table that may grow to this size, which is what our SETTINGS_HEADER_TABLE_SIZE is. Since the
    /// peer assumes the default until it has our settings, that is 4096 or more.
    ///
    /// # Panics
    /// If the size is above 32 KiB.
    #[must_use]
    pub fn new(max_size: usize) -> Self {
        Self { table: Table::new(max_size) }
    }

    /// Decodes a whole block, and calls `sink` for every field, in order.
    ///
    /// There is no limit of their sizes or number: `sink` decides what it keeps. Huffman strings are decoded in
    /// `scratch`, whose content means nothing before and after. Its length grows to no more than twice that of the
    /// largest block, and the size of the table; it is meant to be shared by many decoders.
    ///
    /// # Errors
    /// If the block is not one. The connection is at its end then, with COMPRESSION_ERROR; `sink` may have got some
    /// fields.
    pub fn decode(
        &mut self,
        block: &[u8],
        scratch: &mut Vec<u8>,
        mut sink: impl FnMut(Field<'_>),
    ) -> Result<(), HpackError> {
        let mut input = Input::new(block);
        self.size_updates(&mut input)?;
        while let Some(first) = input.peek() {
            match first {
                // all of the static table and the newest 65 entries of the dynamic one
                0x80..0xff => {
                    input.skip();
                    sink(self.indexed(usize::from(first & 0x7f))?);
                }
                0xff => sink(self.indexed(input.integer(7)?)?),
                0x40..0x80 => {
                    let literal = self.literal(&mut input, 6, scratch)?;
                    let field = literal.field(scratch);
                    sink(field);
                    self.table.insert(field);
                }
                0x20..0x40 => return Err(HpackError::MisplacedSizeUpdate),
                // without indexing, or never indexed: that is for those who encode it again
                0x00..0x20 => sink(self.literal(&mut input, 4, scratch)?.field(scratch)),
            }
        }
        Ok(())
    }

    /// The octets that it has allocated.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.table.memory()
    }

    fn size_updates(&mut self, input: &mut Input<'_>) -> Result<(), HpackError> {
        for _ in 0..MOST_SIZE_UPDATES {
            if !matches!(input.peek(), Some(0x20..0x40)) {
                break;
            }
            let size = input.integer(5)?;
            if size > self.table.max() {
                return Err(HpackError::TableTooLarge(size));
            }
            self.table.resize(size);
        }
        Ok(())
    }

    /// The entry with this index.
    #[inline]
    fn indexed(&self, index: usize) -> Result<Field<'_>, HpackError> {
        // index 0 wraps and is above both tables
        let at = index.wrapping_sub(1);
        if let Some(field) = statics::TABLE.get(at) {
            return Ok(*field);
        }
        self.table.get(at.wrapping_sub(statics::LENGTH)).ok_or(HpackError::Index(index))
    }

    /// A literal field whose name has its index in the last `prefix` bits of the first octet.
    fn literal<'a>(&self, input: &mut Input<'a>, prefix: u8, scratch: &mut Vec<u8>) -> Result<Literal<'a>, HpackError> {
        let index = input.integer(prefix)?;
        let (header, name, used) = if index == 0 {
            let (name, used) = part(input.text()?, scratch, 0)?;
            (Header::of(name.get(scratch)), name, used)
        } else if let Some(field) = statics::TABLE.get(index - 1) {
            (field.header, Part::Given(field.name), 0)
        } else {
            let field = self.indexed(index)?;
            // a copy, since the insertion of this field may evict that entry
            let length = field.name.len();
            if scratch.len() < length {
                scratch.resize(length, 0);
            }
            scratch[..length].copy_from_slice(field.name);
            (field.header, Part::Scratch(0..length), length)
        };
        let (value, _) = part(input.text()?, scratch, used)?;
        Ok(Literal { header, name, value })
    }
}

/// A literal field.
struct Literal<'a> {
    header: Header,
    name: Part<'a>,
    value: Part<'a>,
}

impl<'a> Literal<'a> {
    fn field<'b>(&self, scratch: &'b [u8]) -> Field<'b>
    where
        'a: 'b,
    {
        Field { header: self.header, name: self.name.get(scratch), value: self.value.get(scratch) }
    }
}

impl<'a> Part<'a> {
    fn get<'b>(&self, scratch: &'b [u8]) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Self::Given(bytes) => bytes,
            Self::Scratch(range) => &scratch[range.clone()],
        }
    }
}

/// A string, and where what is used of the scratch buffer ends after it.
fn part<'a>(text: Text<'a>, scratch: &mut Vec<u8>, used: usize) -> Result<(Part<'a>, usize), HpackError> {
    if !text.huffman {
        return Ok((Part::Given(text.bytes), used));
    }
    let end = huffman::decode(text.bytes, scratch, used)?;
    Ok((Part::Scratch(used..end), end))
}
