//! What the gRPC port serves.

use std::sync::Arc;

use tonic::{codec::CompressionEncoding, service::Routes};
use tonic_health::pb::health_server::{Health, HealthServer};

use super::{GrpcOptions, GrpcService, RlsService, protocol};

/// The path of RLS's one method.
const SHOULD_RATE_LIMIT: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

/// The services of tonic's and their methods.
const ROUTED: &[(&str, &[&str])] = &[
    ("grpc.health.v1.Health", &["Check", "Watch"]),
    ("grpc.reflection.v1.ServerReflection", &["ServerReflectionInfo"]),
    ("grpc.reflection.v1alpha.ServerReflection", &["ServerReflectionInfo"]),
];

/// The most bytes of a message to one of them, compressed or not: the name of a service, a file or a symbol.
pub(super) const MAX_ROUTED: usize = 16 << 10;

/// RLS, health and reflection.
#[must_use]
pub fn grpc_service(rls: RlsService, health: HealthServer<impl Health>, options: &GrpcOptions) -> GrpcService {
    let health = health.max_decoding_message_size(MAX_ROUTED).accept_compressed(CompressionEncoding::Gzip);
    let routes = protocol::reflection(Routes::new(health)).prepare();
    GrpcService::new(vec![(SHOULD_RATE_LIMIT, Arc::new(rls))], routes, ROUTED, options)
}
