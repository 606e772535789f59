//! Decodes a `RateLimitRequest` directly into the engine's request, which borrows the domain, keys and values.
//!
//! The result equals prost's for every message that prost accepts: the last value of a scalar field counts, a message
//! field that occurs twice is merged, unknown fields are skipped. There is one intended difference: a string field may
//! contain any bytes, because Envoy lets a request pass if its message is rejected.

#[cfg(test)]
mod differential;
#[cfg(test)]
mod tests;
mod wire;

use smallvec::SmallVec;

use self::wire::{Malformed, Reader, WireType, key};
use super::unit::unit;
use limiter::domain::{Descriptor, Entry, LimitOverride, Request};

use crate::engine::{DecideError, RequestLimits};

/// Why a message cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    /// The bytes are not a `RateLimitRequest`.
    #[error("the message is not a RateLimitRequest: {0}")]
    Malformed(#[from] Malformed),
    /// The request exceeds the limits on its size.
    #[error(transparent)]
    TooMany(DecideError),
}

/// Decodes a message. Descriptors and entries beyond `limits` are counted but not stored, which bounds the memory: an
/// empty descriptor has two bytes on the wire, and more than a hundred in memory.
///
/// # Errors
/// If the message is malformed anywhere; else the first violation of `limits`.
pub(super) fn decode<'a>(bytes: &'a [u8], limits: &RequestLimits) -> Result<Request<'a>, DecodeError> {
    const DOMAIN: u32 = key(1, WireType::Length);
    const DESCRIPTORS: u32 = key(2, WireType::Length);
    const HITS_ADDEND: u32 = key(3, WireType::Varint);

    let mut request = Request { domain: b"", descriptors: SmallVec::new(), amount: 0 };
    let (mut count, max) = (0, limits.max_descriptors.get());
    let mut rejected = None;
    let mut reader = Reader::new(bytes);
    while let Some(key) = reader.key()? {
        match key {
            DOMAIN => request.domain = reader.bytes()?,
            DESCRIPTORS => {
                let (descriptor, error) = descriptor(reader.message()?, count, limits)?;
                rejected = rejected.or(error);
                if count < max {
                    // one allocation for most requests with several descriptors, which have few
                    if count == 1 {
                        request.descriptors.reserve(7);
                    }
                    request.descriptors.push(descriptor);
                }
                count += 1;
            }
            HITS_ADDEND => request.amount = u64::from(low_half(reader.varint()?)),
            other => reader.skip_unknown(other, 3)?,
        }
    }
    if count > max {
        rejected = rejected.or(Some(DecodeError::TooMany(DecideError::TooManyDescriptors { count, max })));
    }
    match rejected {
        None => Ok(request),
        Some(error) => Err(error),
    }
}

/// Decodes the descriptor with this index. Returns an error beside it if it is well-formed but has too many entries.
fn descriptor<'a>(
    mut reader: Reader<'a>,
    index: usize,
    limits: &RequestLimits,
) -> Result<(Descriptor<'a>, Option<DecodeError>), Malformed> {
    const ENTRIES: u32 = key(1, WireType::Length);
    const LIMIT: u32 = key(2, WireType::Length);
    const HITS_ADDEND: u32 = key(3, WireType::Length);
    const IS_NEGATIVE_HITS: u32 = key(4, WireType::Varint);

    let mut descriptor = Descriptor { entries: SmallVec::new(), limit: None, amount: None, gives_back: false };
    let (mut count, max) = (0, limits.max_entries.get());
    let mut limit = None;
    while let Some(key) = reader.key()? {
        match key {
            ENTRIES => {
                let entry = entry(reader.message()?)?;
                if count < max {
                    descriptor.entries.push(entry);
                }
                count += 1;
            }
            LIMIT => merge_override(reader.message()?, limit.get_or_insert_default())?,
            HITS_ADDEND => merge_wrapped(reader.message()?, descriptor.amount.get_or_insert_default())?,
            IS_NEGATIVE_HITS => descriptor.gives_back = reader.varint()? != 0,
            other => reader.skip_unknown(other, 4)?,
        }
    }
    descriptor.limit = limit.map(|Override { requests, unit: number }| LimitOverride { requests, unit: unit(number) });
    let too_many = DecideError::TooManyEntries { descriptor: index, count, max };
    Ok((descriptor, (count > max).then_some(DecodeError::TooMany(too_many))))
}

fn entry(mut reader: Reader<'_>) -> Result<Entry<'_>, Malformed> {
    const KEY: u32 = key(1, WireType::Length);
    const VALUE: u32 = key(2, WireType::Length);

    let mut entry = Entry { key: b"", value: b"" };
    while let Some(key) = reader.key()? {
        match key {
            KEY => entry.key = reader.bytes()?,
            VALUE => entry.value = reader.bytes()?,
            other => reader.skip_unknown(other, 2)?,
        }
    }
    Ok(entry)
}

/// A `RateLimitOverride` with the unit's number.
#[derive(Clone, Copy, Debug, Default)]
struct Override {
    requests: u32,
    unit: i32,
}

fn merge_override(mut reader: Reader<'_>, into: &mut Override) -> Result<(), Malformed> {
    const REQUESTS_PER_UNIT: u32 = key(1, WireType::Varint);
    const UNIT: u32 = key(2, WireType::Varint);

    while let Some(key) = reader.key()? {
        match key {
            REQUESTS_PER_UNIT => into.requests = low_half(reader.varint()?),
            UNIT => into.unit = low_half(reader.varint()?).cast_signed(),
            other => reader.skip_unknown(other, 2)?,
        }
    }
    Ok(())
}

/// Merges a `google.protobuf.UInt64Value`.
fn merge_wrapped(mut reader: Reader<'_>, into: &mut u64) -> Result<(), Malformed> {
    const VALUE: u32 = key(1, WireType::Varint);

    while let Some(key) = reader.key()? {
        match key {
            VALUE => *into = reader.varint()?,
            other => reader.skip_unknown(other, 1)?,
        }
    }
    Ok(())
}

/// Truncates a number to a field of 32 bits, as protobuf requires.
#[allow(clippy::cast_possible_truncation)]
const fn low_half(number: u64) -> u32 {
    number as u32
}
