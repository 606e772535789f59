//! Reads protobuf's wire format from a slice.
//!
//! Accepts and rejects the same input as prost: varints of up to ten bytes that fit into 64 bits, keys that fit into
//! 32, field numbers from 1, and groups of unknown fields up to a depth of 100, messages included.

/// The greatest depth of nested messages and groups.
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

/// The key of a field, to be compared with the keys that the reader returns.
pub(super) const fn key(field: u32, wire_type: WireType) -> u32 {
    field << 3 | wire_type as u32
}

/// A message is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at byte {at}")]
pub(in crate::api) struct Malformed {
    /// The offset of the fault from the start of the outermost message.
    pub(in crate::api) at: usize,
    pub(in crate::api) fault: Fault,
}

/// The kind of fault in a malformed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::api) enum Fault {
    #[error("a varint without an end, or with more than 64 bits")]
    Varint,
    #[error("the field key {0}, above 2^32 - 1")]
    Key(u64),
    #[error("a field with number 0")]
    FieldNumber,
    #[error("the wire type {0}, which does not exist")]
    WireType(u32),
    #[error("field {field} with the wire type {wire_type}, which does not match its type")]
    Mismatch { field: u32, wire_type: u32 },
    #[error("a length of {length} with only {left} bytes left")]
    Length { length: u64, left: usize },
    #[error("the end of group {0}, which is not open")]
    Group(u32),
    #[error("a field nested more than {MAX_DEPTH} deep")]
    Depth,
}

/// The unread rest of a message.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// The offset of the message's end from the start of the outermost message.
    end: usize,
    /// How many more levels may be nested in the message.
    depth: u32,
}

impl<'a> Reader<'a> {
    /// A reader of an outermost message.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, end: bytes.len(), depth: MAX_DEPTH }
    }

    /// The key of the next field; `None` at the end of the message. Its field number is not 0, its wire type exists.
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
                // only one bit of the tenth byte fits into 64 bits
                if index + 1 == MAX_VARINT && *byte > 1 {
                    break;
                }
                self.rest = &self.rest[index + 1..];
                return Ok(number);
            }
        }
        Err(self.fault(Fault::Varint))
    }

    /// Reads a length-delimited field: text or other bytes.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let at = self.at();
        let length = self.varint()?;
        self.take(length).ok_or(Malformed { at, fault: Fault::Length { length, left: self.rest.len() } })
    }

    /// A reader of a nested message.
    #[inline]
    pub(super) fn message(&mut self) -> Result<Self, Malformed> {
        let rest = self.bytes()?;
        Ok(Self { rest, end: self.at(), depth: self.depth - 1 })
    }

    /// Skips an unknown field. The message's type has the fields 1 to `known`: a key with one of these numbers has the
    /// wrong wire type, which is an error, as in prost.
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
