//! The program with rules over xDS, and the requests that tests send it.

use std::net::SocketAddr;

use envoy_types::pb::google::protobuf::UInt64Value;

use testkit::{
    process::{Builder, Tollgate},
    rls::{Rls, ask, client, request},
    xds::server::{Ads, AdsStream, ack},
};

/// Configured for this server, with pauses short enough for a test.
pub fn builder(ads: SocketAddr) -> Builder {
    testkit::tollgate!()
        .env("CONFIG_TYPE", "GRPC_XDS_SOTW")
        .env("CONFIG_GRPC_XDS_SERVER_URL", ads.to_string())
        .env("CONFIG_GRPC_XDS_SERVER_CONNECT_RETRY_INTERVAL", "100ms")
        .env("XDS_CLIENT_BACKOFF_INITIAL_INTERVAL", "100ms")
        .env("BACKEND_TYPE", "memory")
}

/// Started, with these resources in force: it has acknowledged version `1` of nonce `n1`.
pub async fn started(
    builder: Builder,
    ads: &mut Ads,
    resources: impl IntoIterator<Item = envoy_types::pb::google::protobuf::Any>,
) -> (Tollgate, AdsStream, Rls) {
    let tollgate = builder.spawn();
    let mut stream = ads.accept().await;
    stream.request().await;
    stream.send("1", "n1", resources).await;
    assert_eq!(stream.reply().await, ack("1", "n1"));
    let client = client(tollgate.address("grpc"));
    (tollgate, stream, client)
}

/// The limit of `k` in domain `d` in a response now; `None` if it has none.
pub async fn limit(client: &mut Rls) -> Option<u32> {
    limit_of(client, "d", "k").await
}

pub async fn limit_of(client: &mut Rls, domain: &str, key: &str) -> Option<u32> {
    let mut look = request(domain, &[&[(key, "v")]]);
    look.descriptors[0].hits_addend = Some(UInt64Value { value: 0 });
    let status = ask(client, look).await.statuses.remove(0);
    status.current_limit.map(|limit| limit.requests_per_unit)
}
