//! The requests to the server, and the gRPC metadata of a stream.

use std::collections::HashMap;

use envoy_types::pb::{
    envoy::{
        config::core::v3::{Node, node::UserAgentVersionType},
        service::discovery::v3::DiscoveryRequest,
    },
    google::{
        protobuf::{Struct, Value, value::Kind},
        rpc::Status,
    },
    ratelimit::config::ratelimit::v3::RateLimitConfig,
};
use prost::Name as _;
use tonic::{
    Code,
    metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap},
};

use super::XdsConfig;

/// A header that cannot be sent as gRPC metadata.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the header `{0}` cannot be sent as gRPC metadata: its name must be lowercase and not end in -bin, its value \
     printable ASCII"
)]
pub struct BadHeader(String);

/// Builds the requests of one subscription.
#[derive(Debug)]
pub(super) struct Requests {
    node: Node,
    metadata: MetadataMap,
}

impl Requests {
    pub(super) fn new(config: &XdsConfig) -> Result<Self, BadHeader> {
        let text =
            |(key, value): &(String, String)| (key.clone(), Value { kind: Some(Kind::StringValue(value.clone())) });
        let fields: HashMap<_, _> = config.node_metadata.iter().map(text).collect();
        let node = Node {
            id: config.node_id.clone(),
            metadata: (!fields.is_empty()).then_some(Struct { fields }),
            user_agent_name: "tollgate".to_owned(),
            user_agent_version_type: Some(UserAgentVersionType::UserAgentVersion(env!("CARGO_PKG_VERSION").to_owned())),
            ..Node::default()
        };
        let mut metadata = MetadataMap::new();
        metadata.insert("user-agent", AsciiMetadataValue::from_static(concat!("tollgate/", env!("CARGO_PKG_VERSION"))));
        for (name, value) in &config.headers {
            let bad = || BadHeader(name.clone());
            let key = AsciiMetadataKey::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            metadata.append(key, value.expose().parse().map_err(|_| bad())?);
        }
        Ok(Self { node, metadata })
    }

    /// The gRPC metadata of a stream.
    pub(super) fn metadata(&self) -> MetadataMap {
        self.metadata.clone()
    }

    /// A request with `version`, the last accepted one. With an empty nonce it is the first of a stream; else it is the
    /// ACK of the response with that nonce, or the NACK if there are errors.
    pub(super) fn request(&self, version: &str, nonce: &str, errors: Option<&str>) -> DiscoveryRequest {
        DiscoveryRequest {
            version_info: version.to_owned(),
            node: Some(self.node.clone()),
            type_url: RateLimitConfig::type_url(),
            response_nonce: nonce.to_owned(),
            error_detail: errors.map(|errors| Status {
                code: Code::InvalidArgument as i32,
                message: errors.to_owned(),
                details: Vec::new(),
            }),
            ..DiscoveryRequest::default()
        }
    }
}
