//! Calls to the service, as a gRPC client makes them.

use std::net::SocketAddr;

use envoy_types::pb::envoy::{
    extensions::common::ratelimit::v3::{RateLimitDescriptor, rate_limit_descriptor::Entry},
    service::ratelimit::v3::{
        RateLimitRequest, RateLimitResponse,
        rate_limit_response::{Code, DescriptorStatus},
        rate_limit_service_client::RateLimitServiceClient,
    },
};
use tonic::transport::{Channel, Endpoint};

pub type Rls = RateLimitServiceClient<Channel>;

/// A client that connects when first used.
pub fn client(address: SocketAddr) -> Rls {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a valid address");
    RateLimitServiceClient::new(endpoint.connect_lazy())
}

/// A request of one descriptor for each list of pairs.
pub fn request(domain: &str, descriptors: &[&[(&str, &str)]]) -> RateLimitRequest {
    RateLimitRequest {
        domain: domain.to_owned(),
        descriptors: descriptors.iter().map(|pairs| descriptor(pairs)).collect(),
        hits_addend: 0,
    }
}

pub fn descriptor(pairs: &[(&str, &str)]) -> RateLimitDescriptor {
    let entry = |(key, value): &(&str, &str)| Entry { key: (*key).to_owned(), value: (*value).to_owned() };
    RateLimitDescriptor { entries: pairs.iter().map(entry).collect(), ..RateLimitDescriptor::default() }
}

pub async fn ask(client: &mut Rls, request: RateLimitRequest) -> RateLimitResponse {
    client.should_rate_limit(request).await.expect("an answer").into_inner()
}

pub fn codes(response: &RateLimitResponse) -> Vec<Code> {
    response.statuses.iter().map(DescriptorStatus::code).collect()
}
