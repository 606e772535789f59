//! The RLS response, field by field, as `envoyproxy/ratelimit` returns it. Windows are a year long, so that none ends
//! during a test.

mod counting;
mod errors;
mod headers;
mod metadata;
mod modes;
mod overrides;
mod rule_kinds;

use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::rate_limit::Unit;

const RULES: &str = r#"
domain: shop
descriptors:
  - key: path
    value: /a
    rate_limit: {unit: year, requests_per_unit: 2, name: a}
  - key: path
    rate_limit: {unit: year, requests_per_unit: 5}
  - key: shadow
    shadow_mode: true
    rate_limit: {unit: year, requests_per_unit: 1}
  - key: free
    rate_limit: {unlimited: true, replaces: [{name: a}]}
  - key: quota
    value: one
    quota_mode: true
    rate_limit: {unit: year, requests_per_unit: 1}
    metadata: {plan: {name: one, deep: {x: 1}}, list: [1, two, null, true]}
  - key: quota
    value: two
    quota_mode: true
    rate_limit: {unit: year, requests_per_unit: 2}
    metadata: {plan: {name: two, also: yes, deep: {x: 2, y: 2}}}
  - key: file
    value: img*
    share_threshold: true
    rate_limit: {unit: year, requests_per_unit: 2}
  - key: zero
    rate_limit: {unit: year, requests_per_unit: 0}
  - key: several
    rate_limits:
      - {unit: second, unit_multiplier: 1000000, requests_per_unit: 100}
      - {unit: year, requests_per_unit: 3}
  - key: bucket
    rate_limit: {algorithm: token_bucket, unit: year, requests_per_unit: 10, burst: 4}
  - key: outer
    value: o
    descriptors:
      - key: inner
        rate_limit: {unit: year, requests_per_unit: 1}
---
"#;

fn year(requests: u32, name: &str) -> Option<(u32, i32, String)> {
    Some((requests, Unit::Year.into(), name.to_owned()))
}
