//! The protocol as data: the descriptor set compiled from `proto/`, for JSON and reflection.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, MessageDescriptor};
use tonic::service::Routes;

const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).expect("build.rs wrote a valid descriptor set"));

/// The message of this full name.
pub(super) fn message(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(name).expect("build.rs compiles every message that is asked for")
}

/// Adds gRPC server reflection for what the gRPC port serves, in its v1 and v1alpha form.
pub(super) fn reflection(routes: Routes) -> Routes {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let v1 = builder().build_v1().expect("the descriptor sets are valid");
    let v1alpha = builder().build_v1alpha().expect("the descriptor sets are valid");
    routes.add_service(v1).add_service(v1alpha)
}
