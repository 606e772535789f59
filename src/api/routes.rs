//! What the gRPC port serves.

use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_service_server::RateLimitServiceServer;
use tonic::service::Routes;
use tonic_health::pb::health_server::{Health, HealthServer};

use super::{RlsService, protocol};

/// RLS, health and reflection. A message longer than `max_request_bytes` is refused before it is read.
#[must_use]
pub fn grpc_routes(rls: RlsService, health: HealthServer<impl Health>, max_request_bytes: usize) -> Routes {
    let rls = RateLimitServiceServer::new(rls).max_decoding_message_size(max_request_bytes);
    protocol::reflection(Routes::new(rls).add_service(health)).prepare()
}
