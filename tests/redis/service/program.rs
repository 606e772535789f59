//! The service with rules per year and per second, and the requests of the tests.

use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use tonic::Code;

use testkit::{
    eventually,
    process::{Builder, Tollgate},
    redis::Redis,
    rls::{client, request},
};

/// The limit of a rule.
pub const LIMIT: u32 = 1000;

const RULES: &str = "
domain: d
descriptors:
  - {key: year, rate_limit: {unit: year, requests_per_unit: 1000}}
  - {key: sliding, rate_limit: {unit: year, requests_per_unit: 1000, algorithm: sliding_window}}
  - {key: bucket, rate_limit: {unit: year, requests_per_unit: 1000, algorithm: token_bucket}}
  - {key: second, rate_limit: {unit: second, requests_per_unit: 1000}}
";

pub fn builder() -> Builder {
    testkit::tollgate!().rules(RULES)
}

/// On a busy machine an answer may take longer than usual.
pub fn on(redis: &Redis) -> Builder {
    builder().env("REDIS_URL", format!("redis://127.0.0.1:{}", redis.port)).env("REDIS_TIMEOUT", "10s")
}

/// A request with one hit on each of these rules.
pub fn hit(keys: &[&str]) -> RateLimitRequest {
    let descriptors: Vec<_> = keys.iter().map(|key| [(*key, "v")]).collect();
    request("d", &descriptors.iter().map(|pairs| &pairs[..]).collect::<Vec<_>>())
}

pub async fn ask(tollgate: &Tollgate, keys: &[&str]) -> Result<RateLimitResponse, tonic::Status> {
    let answer = client(tollgate.address("grpc")).should_rate_limit(hit(keys)).await;
    answer.map(tonic::Response::into_inner)
}

/// What remains of each rule, once the service answers. A request that failed only for lack of a connection was not
/// charged. Each rule is requested separately, because the nodes of a cluster are not connected at the same moment.
pub async fn remaining(tollgate: &Tollgate, keys: &[&str]) -> Vec<u32> {
    let mut left = Vec::new();
    for key in keys {
        let answer = eventually("an answer", async || match ask(tollgate, &[key]).await {
            Ok(answer) => Some(answer),
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                None
            }
        });
        left.push(answer.await.statuses[0].limit_remaining);
    }
    left
}
