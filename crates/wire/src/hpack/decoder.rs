//! Decodes blocks to fields (RFC 7541, section 3).

use std::ops::Range;

use super::dynamic::Table;
use super::error::HpackError;
use super::field::{Field, Header};
use super::input::{Input, Text};
use super::{huffman, statics};

/// The number of size updates that a block may begin with: the smallest size since the last block, and the final one
/// (RFC 7541, section 4.2).
const MAX_SIZE_UPDATES: usize = 2;

/// Decodes the blocks of a connection. Every block must be decoded, in order: skipping one, such as that of a refused
/// stream, would make the dynamic table differ from the peer's.
#[derive(Debug)]
pub struct Decoder {
    pub(super) table: Table,
}

/// The location of a part of a field.
enum Part<'a> {
    /// In the block or in the static table.
    Given(&'a [u8]),
    /// In the scratch buffer.
    Scratch(Range<usize>),
}

impl Decoder {
    /// A decoder with an empty table that may grow to this size, the value of our SETTINGS_HEADER_TABLE_SIZE. It must
    /// be 4096 or more, because the peer assumes the default until it has received our settings.
    ///
    /// # Panics
    /// If the size is above 32 KiB.
    #[must_use]
    pub fn new(max_size: usize) -> Self {
        Self { table: Table::new(max_size) }
    }

    /// Decodes a complete block, and calls `sink` for every field, in order.
    ///
    /// Fields are not limited in size or number: `sink` decides what it keeps. Huffman strings are decoded in
    /// `scratch`, whose content is irrelevant before and after. Its length grows to at most twice that of the largest
    /// block plus the size of the table; many decoders can share it.
    ///
    /// # Errors
    /// If the block is invalid. The connection must then end with COMPRESSION_ERROR; `sink` may have received some
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
                // all of the static table, and the newest 65 entries of the dynamic one
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
                // without indexing, or never indexed: the difference matters only to an intermediary that encodes the
                // field again
                0x00..0x20 => sink(self.literal(&mut input, 4, scratch)?.field(scratch)),
            }
        }
        Ok(())
    }

    /// The allocated memory in octets.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.table.memory()
    }

    fn size_updates(&mut self, input: &mut Input<'_>) -> Result<(), HpackError> {
        for _ in 0..MAX_SIZE_UPDATES {
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
        // index 0 wraps around, and so is above both tables
        let at = index.wrapping_sub(1);
        if let Some(field) = statics::TABLE.get(at) {
            return Ok(*field);
        }
        self.table.get(at.wrapping_sub(statics::LENGTH)).ok_or(HpackError::Index(index))
    }

    /// A literal field whose name index is in the last `prefix` bits of the first octet.
    fn literal<'a>(&self, input: &mut Input<'a>, prefix: u8, scratch: &mut Vec<u8>) -> Result<Literal<'a>, HpackError> {
        let index = input.integer(prefix)?;
        let (header, name, used) = if index == 0 {
            let (name, used) = part(input.text()?, scratch, 0)?;
            (Header::of(name.get(scratch)), name, used)
        } else if let Some(field) = statics::TABLE.get(index - 1) {
            (field.header, Part::Given(field.name), 0)
        } else {
            let field = self.indexed(index)?;
            // copied, because inserting this field may evict that entry
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

/// Decodes a string. Also returns the end of the used part of the scratch buffer.
fn part<'a>(text: Text<'a>, scratch: &mut Vec<u8>, used: usize) -> Result<(Part<'a>, usize), HpackError> {
    if !text.huffman {
        return Ok((Part::Given(text.bytes), used));
    }
    let end = huffman::decode(text.bytes, scratch, used)?;
    Ok((Part::Scratch(used..end), end))
}
