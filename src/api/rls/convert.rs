//! Converts a decoded RLS message to the engine's request, which borrows from the message.

use envoy_types::pb::envoy::{
    extensions::common::ratelimit::v3::RateLimitDescriptor, service::ratelimit::v3::RateLimitRequest,
};

use super::unit::unit;
use limiter::domain::{Descriptor, Entry, LimitOverride, Request};

/// The engine's request.
pub(super) fn request(message: &RateLimitRequest) -> Request<'_> {
    let descriptors = message.descriptors.iter().map(descriptor).collect();
    Request { domain: message.domain.as_bytes(), descriptors, amount: u64::from(message.hits_addend) }
}

fn descriptor(from: &RateLimitDescriptor) -> Descriptor<'_> {
    let limit = from.limit.as_ref();
    let limit = limit.map(|limit| LimitOverride { requests: limit.requests_per_unit, unit: unit(limit.unit) });
    Descriptor {
        entries: from.entries.iter().map(|entry| Entry::new(&entry.key, &entry.value)).collect(),
        limit,
        amount: from.hits_addend.as_ref().map(|hits| hits.value),
        gives_back: from.is_negative_hits,
    }
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::extensions::common::ratelimit::v3::rate_limit_descriptor::RateLimitOverride;

    use super::*;
    use limiter::domain::{Unit, UnknownUnit};

    use crate::api::rls::unit::unit_number;

    fn with_unit(unit: i32) -> RateLimitRequest {
        let limit = Some(RateLimitOverride { requests_per_unit: 3, unit });
        let descriptor = RateLimitDescriptor { limit, ..RateLimitDescriptor::default() };
        RateLimitRequest { domain: "d".to_owned(), descriptors: vec![descriptor], hits_addend: 0 }
    }

    #[test]
    fn every_unit_has_its_number() {
        for unit in Unit::ALL {
            let message = with_unit(unit_number(unit));
            let limit = request(&message).descriptors[0].limit;
            assert_eq!(limit, Some(LimitOverride { requests: 3, unit: Ok(unit) }));
        }
    }

    #[test]
    fn an_unknown_unit_keeps_its_number() {
        for unit in [0, 8, 99, -1, i32::MIN] {
            let limit = request(&with_unit(unit)).descriptors[0].limit;
            assert_eq!(limit, Some(LimitOverride { requests: 3, unit: Err(UnknownUnit(unit)) }));
        }
    }
}
