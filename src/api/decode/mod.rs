//! `RateLimitRequest` from its bytes, without a message in between: the domain, keys and values are borrowed.
//!
//! Equal to prost on every message that prost accepts: the last value of a scalar field counts, a message field that
//! occurs twice merges, unknown fields are skipped. The one difference is intended: a string field may hold any bytes,
//! because Envoy lets a request pass whose message is rejected.

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

/// Why bytes are no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    /// They are no `RateLimitRequest`.
    #[error("the message is not a RateLimitRequest: {0}")]
    Malformed(#[from] Malformed),
    /// The request holds more than the settings allow.
    #[error(transparent)]
    TooMany(DecideError),
}

/// Decodes a whole message. Descriptors and entries beyond `limits` are counted but not kept, which bounds the memory:
/// an empty descriptor has two bytes on the wire, and takes more than a hundred here.
///
/// # Errors
/// If the bytes are malformed anywhere; else the first thing that is not accepted.
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
                    // most requests of more than one have few: one allocation
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

/// The descriptor with this index, and why it is not accepted, if it is well-formed but not accepted.
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

/// A `RateLimitOverride` as it stands in the message.
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

/// A `google.protobuf.UInt64Value`.
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

/// What is left of a number in a field of 32 bits.
#[allow(clippy::cast_possible_truncation)]
const fn low_half(number: u64) -> u32 {
    number as u32
}
