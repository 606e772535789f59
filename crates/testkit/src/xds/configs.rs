//! Rules as xDS resources.

use envoy_types::pb::{
    google::protobuf::Any,
    ratelimit::config::ratelimit::v3::{RateLimitConfig, RateLimitDescriptor, RateLimitPolicy, RateLimitUnit},
};
use prost::Message as _;

pub const TYPE_URL: &str = "type.googleapis.com/ratelimit.config.ratelimit.v3.RateLimitConfig";

/// A rule with `limit` per year for `key` with any value.
pub fn rule(key: &str, limit: u32) -> RateLimitDescriptor {
    RateLimitDescriptor { key: key.to_owned(), rate_limit: Some(policy(limit)), ..RateLimitDescriptor::default() }
}

pub fn policy(limit: u32) -> RateLimitPolicy {
    RateLimitPolicy { unit: RateLimitUnit::Year.into(), requests_per_unit: limit, ..RateLimitPolicy::default() }
}

/// A resource with this name, for a domain with the same name.
pub fn resource(name: &str, descriptors: impl Into<Vec<RateLimitDescriptor>>) -> Any {
    of_domain(name, name, descriptors)
}

pub fn of_domain(name: &str, domain: &str, descriptors: impl Into<Vec<RateLimitDescriptor>>) -> Any {
    pack(&RateLimitConfig { name: name.to_owned(), domain: domain.to_owned(), descriptors: descriptors.into() })
}

pub fn pack(config: &RateLimitConfig) -> Any {
    Any { type_url: TYPE_URL.to_owned(), value: config.encode_to_vec() }
}

/// A valid snapshot: in domain `d`, `limit` per year for `k`.
pub fn limit(limit: u32) -> [Any; 1] {
    [resource("d", [rule("k", limit)])]
}

/// An invalid snapshot whose error contains `number`.
pub fn bad(number: u32) -> [Any; 1] {
    let mut descriptor = rule("k", number);
    descriptor.rate_limit.as_mut().expect("a limit").unit = 90 + i32::try_from(number).expect("a small number");
    [resource("d", [descriptor])]
}
