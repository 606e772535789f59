//! What the gRPC port serves.

use tonic::{codec::CompressionEncoding, service::Routes};
use tonic_health::pb::health_server::{Health, HealthServer};

use super::{
    GrpcOptions, GrpcService, RlsService,
    grpc::{Requests, Routed},
    protocol,
};

/// The path of RLS's one method.
const SHOULD_RATE_LIMIT: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

/// The services of tonic's.
const ROUTED: &[Routed] = &[
    Routed { service: "grpc.health.v1.Health", methods: &["Check", "Watch"], requests: Requests::OneMessage },
    reflection("grpc.reflection.v1.ServerReflection"),
    reflection("grpc.reflection.v1alpha.ServerReflection"),
];

const fn reflection(service: &'static str) -> Routed {
    Routed { service, methods: &["ServerReflectionInfo"], requests: Requests::Streams }
}

/// The most bytes of a message to one of them, compressed or not: the name of a service, a file or a symbol.
pub(super) const MAX_ROUTED: usize = 16 << 10;

/// RLS, health and reflection.
#[must_use]
pub fn grpc_service(
    rls: RlsService,
    health: HealthServer<impl Health>,
    options: &GrpcOptions,
) -> GrpcService<RlsService> {
    let health = health.max_decoding_message_size(MAX_ROUTED).accept_compressed(CompressionEncoding::Gzip);
    let routes = protocol::reflection(Routes::new(health)).prepare();
    GrpcService::new(vec![(SHOULD_RATE_LIMIT, rls)], routes, ROUTED, options)
}
