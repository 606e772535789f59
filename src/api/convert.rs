//! From the RLS request to the engine's words. Borrows from the message; copies nothing.

use envoy_types::pb::envoy::{
    extensions::common::ratelimit::v3::RateLimitDescriptor, service::ratelimit::v3::RateLimitRequest,
};

use smallvec::SmallVec;

use super::{decode::DecodeError, unit::unit};
use crate::domain::{Descriptor, Entry, LimitOverride, Request};

/// The request in the engine's words.
pub(super) fn request(message: &RateLimitRequest) -> Result<Request<'_>, DecodeError> {
    let mut descriptors = SmallVec::with_capacity(message.descriptors.len());
    for (index, from) in message.descriptors.iter().enumerate() {
        descriptors.push(descriptor(index, from)?);
    }
    Ok(Request { domain: message.domain.as_bytes(), descriptors, hits_addend: u64::from(message.hits_addend) })
}

fn descriptor(index: usize, from: &RateLimitDescriptor) -> Result<Descriptor<'_>, DecodeError> {
    let limit = match &from.limit {
        None => None,
        Some(limit) => {
            let unit = unit(limit.unit).ok_or(DecodeError::OverrideUnit { descriptor: index, unit: limit.unit })?;
            Some(LimitOverride { requests: limit.requests_per_unit, unit })
        }
    };
    Ok(Descriptor {
        entries: from.entries.iter().map(|entry| Entry::new(&entry.key, &entry.value)).collect(),
        limit,
        hits_addend: from.hits_addend.as_ref().map(|hits| hits.value),
        is_negative_hits: from.is_negative_hits,
    })
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::extensions::common::ratelimit::v3::rate_limit_descriptor::RateLimitOverride;

    use super::*;
    use crate::{api::unit::unit_number, domain::Unit};

    fn with_unit(unit: i32) -> RateLimitRequest {
        let limit = Some(RateLimitOverride { requests_per_unit: 3, unit });
        let descriptor = RateLimitDescriptor { limit, ..RateLimitDescriptor::default() };
        RateLimitRequest { domain: "d".to_owned(), descriptors: vec![descriptor], hits_addend: 0 }
    }

    #[test]
    fn every_unit_has_its_number() {
        for unit in Unit::ALL {
            let message = with_unit(unit_number(unit));
            let limit = request(&message).expect("a known unit").descriptors[0].limit;
            assert_eq!(limit, Some(LimitOverride { requests: 3, unit }));
        }
    }

    #[test]
    fn an_unknown_override_unit_is_refused() {
        for unit in [0, 8, 99, -1, i32::MIN] {
            assert_eq!(request(&with_unit(unit)), Err(DecodeError::OverrideUnit { descriptor: 0, unit }));
        }
    }
}
