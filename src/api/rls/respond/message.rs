//! The messages of a `RateLimitResponse`, as views of a decision that can compute their encoded length.

use std::time::Duration;

use envoy_types::pb::{envoy::service::ratelimit::v3::rate_limit_response::Code as WireCode, google::protobuf::Struct};

use super::{
    HeaderNames,
    wire::{Message, Writer, nested_length, number_length, text_length},
};
use limiter::domain::{Code, CurrentLimit, Decimal, Decision, Status};

use crate::api::rls::unit::unit_number;

/// The header that reports an answer by a failure mode, in addition to the reference's three.
const DEGRADED_HEADER: &str = "x-tollgate-degraded";

/// A `RateLimitResponse`.
#[derive(Debug)]
pub(super) struct Response<'a> {
    pub(super) code: Code,
    pub(super) statuses: &'a [Status],
    pub(super) headers: Option<&'a Headers<'a>>,
    pub(super) metadata: Option<&'a Struct>,
}

impl Message for Response<'_> {
    #[inline(always)]
    fn length(&self) -> usize {
        number_length(code(self.code))
            + self.statuses.iter().map(nested_length).sum::<usize>()
            + self.headers.into_iter().flat_map(Headers::each).map(|header| nested_length(&header)).sum::<usize>()
            + self.metadata.map_or(0, nested_length)
    }

    #[inline(always)]
    fn write(&self, writer: &mut Writer<'_>) {
        writer.number(1, code(self.code));
        for status in self.statuses {
            writer.nested(2, status);
        }
        for header in self.headers.into_iter().flat_map(Headers::each) {
            writer.nested(3, &header);
        }
        if let Some(metadata) = self.metadata {
            writer.nested(6, metadata);
        }
    }
}

/// The protobuf number of a code.
fn code(code: Code) -> u64 {
    let code = match code {
        Code::Ok => WireCode::Ok,
        Code::OverLimit => WireCode::OverLimit,
    };
    u64::from(i32::from(code).unsigned_abs())
}

/// A `DescriptorStatus`.
impl Message for Status {
    #[inline(always)]
    fn length(&self) -> usize {
        number_length(code(self.code))
            + self.limit.as_ref().map_or(0, nested_length)
            + number_length(saturate(self.remaining))
            + self.reset_after.map_or(0, |after| nested_length(&Reset(after)))
    }

    #[inline(always)]
    fn write(&self, writer: &mut Writer<'_>) {
        writer.number(1, code(self.code));
        if let Some(limit) = &self.limit {
            writer.nested(2, limit);
        }
        writer.number(3, saturate(self.remaining));
        if let Some(after) = self.reset_after {
            writer.nested(4, &Reset(after));
        }
    }
}

/// A `RateLimit`.
impl Message for CurrentLimit {
    #[inline(always)]
    fn length(&self) -> usize {
        number_length(saturate(self.requests)) + number_length(unit(self)) + text_length(name(self))
    }

    #[inline(always)]
    fn write(&self, writer: &mut Writer<'_>) {
        writer.number(1, saturate(self.requests));
        writer.number(2, unit(self));
        writer.text(3, name(self));
    }
}

fn unit(limit: &CurrentLimit) -> u64 {
    u64::from(unit_number(limit.unit).unsigned_abs())
}

fn name(limit: &CurrentLimit) -> &[u8] {
    limit.name.as_deref().unwrap_or_default().as_bytes()
}

/// A `google.protobuf.Duration` of whole seconds.
struct Reset(Duration);

impl Reset {
    /// The value of the field `seconds`, which is signed.
    fn seconds(&self) -> u64 {
        reset_seconds(self.0).min(i64::MAX.unsigned_abs())
    }
}

impl Message for Reset {
    #[inline(always)]
    fn length(&self) -> usize {
        number_length(self.seconds())
    }

    #[inline(always)]
    fn write(&self, writer: &mut Writer<'_>) {
        writer.number(1, self.seconds());
    }
}

/// Whole seconds, rounded up and never 0, as in the reference.
fn reset_seconds(after: Duration) -> u64 {
    after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).max(1)
}

/// The number, or the largest number of a field of 32 bits.
fn saturate(number: u64) -> u64 {
    number.min(u64::from(u32::MAX))
}

/// The response headers to add.
#[derive(Debug)]
pub(super) struct Headers<'a> {
    numbers: [(&'a str, Decimal); 3],
    degraded: bool,
}

impl<'a> Headers<'a> {
    /// The headers of a decision; `None` if no counter was involved.
    pub(super) fn new(names: &'a HeaderNames, decision: &Decision) -> Option<Self> {
        let status = decision.tightest.and_then(|index| decision.statuses.get(index))?;
        let (limit, reset) = (status.limit.as_ref()?, status.reset_after?);
        let numbers = [
            (names.limit.as_str(), Decimal::new(limit.requests)),
            (names.remaining.as_str(), Decimal::new(status.remaining)),
            (names.reset.as_str(), Decimal::new(reset_seconds(reset))),
        ];
        Some(Self { numbers, degraded: decision.degraded })
    }

    fn each(&self) -> impl Iterator<Item = Header<'_>> {
        let numbers = self.numbers.iter().map(|(name, number)| Header { name, value: number.as_bytes() });
        numbers.chain(self.degraded.then_some(Header { name: DEGRADED_HEADER, value: b"true" }))
    }
}

/// A `HeaderValue`.
struct Header<'a> {
    name: &'a str,
    value: &'a [u8],
}

impl Message for Header<'_> {
    #[inline(always)]
    fn length(&self) -> usize {
        text_length(self.name.as_bytes()) + text_length(self.value)
    }

    #[inline(always)]
    fn write(&self, writer: &mut Writer<'_>) {
        writer.text(1, self.name.as_bytes());
        writer.text(2, self.value);
    }
}

/// Dynamic metadata. It is rarely enabled, so prost encodes it.
impl Message for Struct {
    #[inline(always)]
    fn length(&self) -> usize {
        prost::Message::encoded_len(self)
    }

    #[inline(always)]
    fn write(&self, writer: &mut Writer<'_>) {
        prost::Message::encode_raw(self, writer.buffer());
    }
}
