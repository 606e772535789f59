//! Calls to the service with a gRPC client.

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

/// A client that connects on its first call.
pub fn client(address: SocketAddr) -> Rls {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a valid address");
    RateLimitServiceClient::new(endpoint.connect_lazy())
}

/// A request with one descriptor for each list of pairs.
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

/// Whether the call was never sent, because the client met a GOAWAY first: tonic's channel fails the calls that it was
/// about to send. HTTP/2 allows to retry them, and Envoy and other gRPC clients do so by themselves.
pub fn never_sent(status: &tonic::Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let unsent = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled);
        let refused = error.downcast_ref::<h2::Error>().is_some_and(|error| {
            error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR)
        });
        if unsent || refused {
            return true;
        }
        cause = error.source();
    }
    false
}
