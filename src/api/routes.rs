//! The methods and services of the gRPC port.

use std::time::Instant;

use tonic::{codec::CompressionEncoding, service::Routes};

use super::{
    GrpcHealth, GrpcOptions, GrpcService, Outcome, Pending, RlsService, Unary,
    grpc::{Requests, Routed},
    health::HealthCheck,
    protocol::{self, MAX_ROUTED},
};
use crate::rejections::Reason;

/// The path of the only method of RLS.
const SHOULD_RATE_LIMIT: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

/// The path of the unary method of the health service.
const CHECK: &str = "/grpc.health.v1.Health/Check";

/// The services that tonic serves.
const ROUTED: &[Routed] = &[
    Routed { service: "grpc.health.v1.Health", methods: &["Watch"], requests: Requests::OneMessage },
    reflection("grpc.reflection.v1.ServerReflection"),
    reflection("grpc.reflection.v1alpha.ServerReflection"),
];

const fn reflection(service: &'static str) -> Routed {
    Routed { service, methods: &["ServerReflectionInfo"], requests: Requests::Streams }
}

/// The gRPC service: RLS, health and reflection.
#[must_use]
pub fn grpc_service(rls: RlsService, health: GrpcHealth, options: &GrpcOptions) -> GrpcService<Method> {
    let GrpcHealth { check, watch } = health;
    let watch = watch.max_decoding_message_size(MAX_ROUTED).accept_compressed(CompressionEncoding::Gzip);
    let routes = protocol::reflection(Routes::new(watch)).prepare();
    let methods = vec![(SHOULD_RATE_LIMIT, Method(Kind::RateLimit(rls))), (CHECK, Method(Kind::Check(check)))];
    GrpcService::new(methods, routes, ROUTED, options)
}

/// A unary method that is implemented here: `ShouldRateLimit` or the health `Check`.
#[derive(Debug)]
pub struct Method(Kind);

#[derive(Debug)]
enum Kind {
    RateLimit(RlsService),
    Check(HealthCheck),
}

impl Unary for Method {
    type Pending = Pending;

    fn answer(&self, message: &[u8], deadline: Option<Instant>, out: &mut Vec<u8>) -> Outcome<Pending> {
        match &self.0 {
            Kind::RateLimit(rls) => rls.answer(message, deadline, out),
            Kind::Check(check) => match check.answer(message, out) {
                Ok(()) => Outcome::Answered(None),
                Err(rejection) => Outcome::Rejected(rejection),
            },
        }
    }

    fn answer_undecidable(&self, reason: Reason, out: &mut Vec<u8>) -> bool {
        match &self.0 {
            Kind::RateLimit(rls) => rls.answer_undecidable(reason, out),
            Kind::Check(_) => false,
        }
    }
}
