//! Resources for tests.

use envoy_types::pb::{
    google::protobuf::Any,
    ratelimit::config::ratelimit::v3::{RateLimitConfig, RateLimitDescriptor, RateLimitPolicy, RateLimitUnit},
};
use prost::Message as _;

pub const TYPE_URL: &str = "type.googleapis.com/ratelimit.config.ratelimit.v3.RateLimitConfig";

/// `limit` a year for `key`, whatever its value.
pub fn rule(key: &str, limit: u32) -> RateLimitDescriptor {
    RateLimitDescriptor { key: key.to_owned(), rate_limit: Some(policy(limit)), ..RateLimitDescriptor::default() }
}

pub fn policy(limit: u32) -> RateLimitPolicy {
    RateLimitPolicy { unit: RateLimitUnit::Year.into(), requests_per_unit: limit, ..RateLimitPolicy::default() }
}

/// A resource of this name, for a domain of the same name.
pub fn resource(name: &str, descriptors: impl Into<Vec<RateLimitDescriptor>>) -> Any {
    of_domain(name, name, descriptors)
}

pub fn of_domain(name: &str, domain: &str, descriptors: impl Into<Vec<RateLimitDescriptor>>) -> Any {
    pack(&RateLimitConfig { name: name.to_owned(), domain: domain.to_owned(), descriptors: descriptors.into() })
}

pub fn pack(config: &RateLimitConfig) -> Any {
    Any { type_url: TYPE_URL.to_owned(), value: config.encode_to_vec() }
}

/// A good snapshot: in domain `d`, `limit` a year for `k`.
pub fn limit(limit: u32) -> [Any; 1] {
    [resource("d", [rule("k", limit)])]
}

/// A bad snapshot, which says its number.
pub fn bad(number: u32) -> [Any; 1] {
    let mut descriptor = rule("k", number);
    descriptor.rate_limit.as_mut().expect("a limit").unit = 90 + i32::try_from(number).expect("a small number");
    [resource("d", [descriptor])]
}
