//! Calls that are rejected before they are decided: their responses, that nothing is charged, and that each is counted
//! and logged at a bounded rate.

mod denied;
mod like_grpc_go;
mod no_rules;
mod partial;
mod refunds;
mod sizes;

use envoy_types::pb::{envoy::service::ratelimit::v3::RateLimitRequest, google::protobuf::UInt64Value};
use prost::Message as _;
use testkit::{http::Client, process::Tollgate, rls::request};

const RULES: &str = "
domain: shop
descriptors:
  - {key: path, rate_limit: {unit: year, requests_per_unit: 1000000}}
  - {key: user, rate_limit: {unit: year, requests_per_unit: 1}}
";

/// A request that the rules above limit.
fn good() -> Vec<u8> {
    request("shop", &[&[("path", "/a")]]).encode_to_vec()
}

/// The remaining budget for [`good`], read without charging.
async fn left(tollgate: &Tollgate) -> u32 {
    let mut look: RateLimitRequest = request("shop", &[&[("path", "/a")]]);
    look.descriptors[0].hits_addend = Some(UInt64Value { value: 0 });
    let answer = testkit::rls::ask(&mut testkit::rls::client(tollgate.address("grpc")), look).await;
    answer.statuses[0].limit_remaining
}

/// How many calls were rejected for a reason.
async fn rejected(tollgate: &Tollgate, api: &str, reason: &str) -> u64 {
    let page = Client::new().get(tollgate.address("metrics"), "/metrics").await.body;
    let series = format!("tollgate_rejected_calls_total{{api=\"{api}\",reason=\"{reason}\"}} ");
    page.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap_or(0)
}
