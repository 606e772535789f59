//! Protobuf's wire format, read from a slice.
//!
//! Accepts and rejects what prost does: varints of up to ten bytes that fit 64 bits, keys that fit 32, field numbers
//! from 1, and groups of unknown fields up to a depth of 100, messages included.

/// How deep messages and groups may nest.
const MAX_DEPTH: u32 = 100;

/// The longest varint, in bytes.
const MAX_VARINT: usize = 10;

/// How a field is encoded: the three low bits of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WireType {
    Varint = 0,
    Fixed64 = 1,
    Length = 2,
    StartGroup = 3,
    EndGroup = 4,
    Fixed32 = 5,
}

impl WireType {
    fn of(key: u32) -> Option<Self> {
        Some(match key & 7 {
            0 => Self::Varint,
            1 => Self::Fixed64,
            2 => Self::Length,
            3 => Self::StartGroup,
            4 => Self::EndGroup,
            5 => Self::Fixed32,
            _ => return None,
        })
    }
}

/// The key of a field: what is compared with those that the reader returns.
pub(super) const fn key(field: u32, wire_type: WireType) -> u32 {
    field << 3 | wire_type as u32
}

/// Bytes that are no protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at byte {at}")]
pub(in crate::api) struct Malformed {
    /// Where what is wrong begins, from the start of the outermost message.
    pub(in crate::api) at: usize,
    pub(in crate::api) fault: Fault,
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::api) enum Fault {
    #[error("a varint that has no end, or more than 64 bits")]
    Varint,
    #[error("the field key {0}, above 2^32 - 1")]
    Key(u64),
    #[error("a field with number 0")]
    FieldNumber,
    #[error("the wire type {0}, which does not exist")]
    WireType(u32),
    #[error("field {field} with the wire type {wire_type}, which is not that of its type")]
    Mismatch { field: u32, wire_type: u32 },
    #[error("a length of {length} where {left} bytes are left")]
    Length { length: u64, left: usize },
    #[error("the end of group {0}, which is not open")]
    Group(u32),
    #[error("a field nested more than {MAX_DEPTH} deep")]
    Depth,
}

/// What is left of a message.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// Where the message ends, from the start of the outermost one.
    end: usize,
    /// How many more levels may nest in it.
    depth: u32,
}

impl<'a> Reader<'a> {
    /// An outermost message.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, end: bytes.len(), depth: MAX_DEPTH }
    }

    /// The key of the next field, unless the message ends here. Its field number is not 0, its wire type exists.
    #[inline]
    pub(super) fn key(&mut self) -> Result<Option<u32>, Malformed> {
        if self.rest.is_empty() { Ok(None) } else { self.next_key().map(Some) }
    }

    #[inline]
    fn next_key(&mut self) -> Result<u32, Malformed> {
        let at = self.at();
        let number = self.varint()?;
        let fault = match u32::try_from(number) {
            Err(_) => Fault::Key(number),
            Ok(key) if WireType::of(key).is_none() => Fault::WireType(key & 7),
            Ok(key) if key >> 3 == 0 => Fault::FieldNumber,
            Ok(key) => return Ok(key),
        };
        Err(Malformed { at, fault })
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, Malformed> {
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for (index, byte) in self.rest.iter().take(MAX_VARINT).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                // of the tenth byte one bit is left
                if index + 1 == MAX_VARINT && *byte > 1 {
                    break;
                }
                self.rest = &self.rest[index + 1..];
                return Ok(number);
            }
        }
        Err(self.fault(Fault::Varint))
    }

    /// A text or other bytes, with their length before them.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let at = self.at();
        let length = self.varint()?;
        self.take(length).ok_or(Malformed { at, fault: Fault::Length { length, left: self.rest.len() } })
    }

    /// A nested message.
    #[inline]
    pub(super) fn message(&mut self) -> Result<Self, Malformed> {
        let rest = self.bytes()?;
        Ok(Self { rest, end: self.at(), depth: self.depth - 1 })
    }

    /// Skips an unknown field. A key of one of the fields 1 to `known`, which the message's type has, is one with the
    /// wrong wire type: an error, as in prost.
    #[cold]
    pub(super) fn skip_unknown(&mut self, key: u32, known: u32) -> Result<(), Malformed> {
        if key >> 3 <= known {
            return Err(self.fault(Fault::Mismatch { field: key >> 3, wire_type: key & 7 }));
        }
        self.skip(key, self.depth)
    }

    fn skip(&mut self, key: u32, depth: u32) -> Result<(), Malformed> {
        let field = key >> 3;
        let Some(deeper) = depth.checked_sub(1) else { return Err(self.fault(Fault::Depth)) };
        match WireType::of(key) {
            Some(WireType::Varint) => self.varint().map(drop),
            Some(WireType::Fixed64) => self.skip_bytes(8),
            Some(WireType::Fixed32) => self.skip_bytes(4),
            Some(WireType::Length) => self.bytes().map(drop),
            Some(WireType::StartGroup) => loop {
                let key = self.next_key()?;
                if WireType::of(key) != Some(WireType::EndGroup) {
                    self.skip(key, deeper)?;
                } else if key >> 3 == field {
                    return Ok(());
                } else {
                    return Err(self.fault(Fault::Group(key >> 3)));
                }
            },
            Some(WireType::EndGroup) => Err(self.fault(Fault::Group(field))),
            None => Err(self.fault(Fault::WireType(key & 7))),
        }
    }

    fn skip_bytes(&mut self, length: u64) -> Result<(), Malformed> {
        let fault = self.fault(Fault::Length { length, left: self.rest.len() });
        self.take(length).map(drop).ok_or(fault)
    }

    #[inline]
    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(taken)
    }

    fn at(&self) -> usize {
        self.end - self.rest.len()
    }

    fn fault(&self, fault: Fault) -> Malformed {
        Malformed { at: self.at(), fault }
    }
}
