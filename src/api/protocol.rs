//! The descriptor set compiled from `proto/`, for JSON and reflection.

use std::{
    convert::Infallible,
    marker::PhantomData,
    sync::LazyLock,
    task::{Context, Poll},
};

use http::{Request, Response};
use prost_reflect::{DescriptorPool, MessageDescriptor};
use tonic::{body::Body, codec::CompressionEncoding, server::NamedService, service::Routes};
use tonic_reflection::server::{Builder, Error};
use tower::Service;

use super::grpc::{Requests, Routed};

pub(super) const REFLECTION_V1: Routed = reflection_service("grpc.reflection.v1.ServerReflection");
pub(super) const REFLECTION_V1ALPHA: Routed = reflection_service("grpc.reflection.v1alpha.ServerReflection");

const fn reflection_service(service: &'static str) -> Routed {
    Routed { service, methods: &["ServerReflectionInfo"], requests: Requests::Streams }
}

/// The most bytes of a message to a service that tonic serves, compressed or not: such a message has little more than a
/// name.
pub(super) const MAX_ROUTED: usize = 16 << 10;

const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).expect("build.rs wrote a valid descriptor set"));

/// The descriptor of the message with this full name.
pub(super) fn message(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(name).expect("build.rs compiles every message that is used here")
}

/// Both versions of gRPC server reflection. Their descriptors take megabytes and are rarely used, so they are created
/// at the first call, once for all workers.
static REFLECTION: LazyLock<Routes> = LazyLock::new(|| {
    let valid = "the descriptor sets are valid";
    let (v1, v1alpha) = (builder().build_v1().expect(valid), builder().build_v1alpha().expect(valid));
    let gzip = CompressionEncoding::Gzip;
    Routes::new(v1.max_decoding_message_size(MAX_ROUTED).accept_compressed(gzip))
        .add_service(v1alpha.max_decoding_message_size(MAX_ROUTED).accept_compressed(gzip))
});

fn builder() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

/// Adds gRPC server reflection for the services of the gRPC port, versions v1 and v1alpha.
pub(super) fn reflection(routes: Routes) -> Routes {
    let v1 = Lazy::in_place_of(|| builder().build_v1());
    let v1alpha = Lazy::in_place_of(|| builder().build_v1alpha());
    routes.add_service(v1).add_service(v1alpha)
}

/// A service with the name of `S` that forwards to [`REFLECTION`].
#[derive(Debug)]
struct Lazy<S>(PhantomData<fn() -> S>);

impl<S> Lazy<S> {
    /// The function is never called: its type determines `S`, which cannot be written out.
    fn in_place_of(_: fn() -> Result<S, Error>) -> Self {
        Self(PhantomData)
    }
}

impl<S> Clone for Lazy<S> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<S: NamedService> NamedService for Lazy<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Lazy<S> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = <Routes as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        REFLECTION.clone().call(request)
    }
}
