//! Servers that disappear, appear late, hang, or send too much: the rules stay, and the client reconnects.

use std::net::SocketAddr;

use super::service::{self, builder, started};
use testkit::scrape::{count, until_metric};
use testkit::{
    eventually,
    http::Client,
    rls::{client, request},
    xds::{
        configs::{bad, limit, resource, rule},
        server::{Ads, Reply, ack},
    },
};
use tonic::{Code, Status};

#[tokio::test]
async fn a_stream_that_ends_is_opened_again_with_the_last_accepted_version_and_no_nonce() {
    let mut ads = Ads::start().await;
    let (tollgate, mut stream, mut client) = started(builder(ads.address), &mut ads, limit(5)).await;
    stream.send("2", "n2", bad(1)).await;
    assert!(matches!(stream.reply().await, Reply::Nack { .. }));
    drop(stream);
    let mut stream = ads.accept().await;
    assert_eq!(stream.reply().await, ack("1", ""));
    assert_eq!(service::limit(&mut client).await, Some(5));
    stream.fail(Status::unavailable("no leader")).await;
    let mut stream = ads.accept().await;
    assert_eq!(stream.reply().await, ack("1", ""));
    // the server does not know what was rejected before, and sends it again
    stream.send("2", "m1", bad(1)).await;
    assert!(matches!(stream.reply().await, Reply::Nack { version, nonce, .. } if version == "1" && nonce == "m1"));
    stream.send("3", "m2", limit(6)).await;
    assert_eq!(stream.reply().await, ack("3", "m2"));
    assert_eq!(service::limit(&mut client).await, Some(6));
    assert_eq!(tollgate.wait_for_lines("the xDS stream ended", 2).len(), 2);
    assert_eq!(tollgate.wait_for_lines("no leader", 1).len(), 1);
    assert_eq!(count(&tollgate, "tollgate_xds_streams_total").await, 3);
    assert_eq!(count(&tollgate, "ratelimit_service_config_load_error").await, 1, "equal rules are judged once");
}

#[tokio::test]
async fn a_server_that_is_away_is_awaited_and_logged_once() {
    let mut ads = Ads::start().await;
    let (tollgate, stream, mut client) = started(builder(ads.address), &mut ads, limit(5)).await;
    let address = ads.address;
    drop((ads, stream));
    until_metric(&tollgate, "tollgate_xds_connected", 0.0).await;
    eventually("several attempts", async || {
        (count(&tollgate, "tollgate_xds_failed_connections_total").await >= 3).then_some(())
    })
    .await;
    assert_eq!(service::limit(&mut client).await, Some(5), "the rules stay");
    assert_eq!(tollgate.wait_for_lines("cannot connect to the xDS server", 1).len(), 1);

    let mut ads = Ads::at(address, None).await;
    let mut stream = ads.accept().await;
    assert_eq!(stream.reply().await, ack("1", ""));
    stream.send("2", "n2", limit(6)).await;
    assert_eq!(stream.reply().await, ack("2", "n2"));
    assert_eq!(service::limit(&mut client).await, Some(6));
    assert_eq!(count(&tollgate, "tollgate_xds_connected").await, 1);
}

#[tokio::test]
async fn nothing_but_prometheus_listens_before_the_first_load() {
    for (resources, wanted) in [(limit(5), Ok(Some(5))), (bad(1), Err(Code::Unavailable))] {
        let mut ads = Ads::start().await;
        let tollgate = builder(ads.address).spawn();
        let mut stream = ads.accept().await;
        stream.request().await;
        assert_eq!(count(&tollgate, "tollgate_xds_connected").await, 1);
        let undecodable = [envoy_types::pb::google::protobuf::Any::default()];
        stream.send("0", "n0", undecodable).await;
        assert!(matches!(stream.reply().await, Reply::Nack { .. }), "which is no load");
        let listening = tollgate.logged("\"listening\"");
        assert!(listening.iter().all(|line| line.contains("metrics")), "{listening:?}");

        stream.send("1", "n1", resources).await;
        stream.reply().await;
        let mut client = client(tollgate.address("grpc"));
        let answer = client.should_rate_limit(request("d", &[&[("k", "v")]])).await;
        let limit =
            answer.map(|answer| answer.into_inner().statuses[0].current_limit.as_ref().map(|l| l.requests_per_unit));
        assert_eq!(limit.map_err(|status| status.code()), wanted);
    }
}

#[tokio::test]
async fn with_force_start_it_listens_and_fails_calls_until_rules_come() {
    let mut ads = Ads::start().await;
    let tollgate = builder(ads.address)
        .env("FORCE_START_WITHOUT_INITIAL_CONFIG", "true")
        .env("HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED", "true")
        .start();
    let mut stream = ads.accept().await;
    let mut client = client(tollgate.address("grpc"));
    let status = client.should_rate_limit(request("d", &[&[("k", "v")]])).await.expect_err("no rules");
    assert_eq!(status.code(), Code::Unavailable);
    let http = Client::new();
    let health = async |tollgate: &testkit::process::Tollgate| {
        http.get(tollgate.address("http"), "/healthcheck").await.status.as_u16()
    };
    assert_eq!(health(&tollgate).await, 500);
    stream.request().await;
    stream.send("1", "n1", []).await;
    assert_eq!(stream.reply().await, ack("1", "n1"));
    assert_eq!(service::limit(&mut client).await, None, "no rules is a good load");
    assert_eq!(health(&tollgate).await, 500, "of no domain");
    stream.send("2", "n2", limit(5)).await;
    assert_eq!(stream.reply().await, ack("2", "n2"));
    assert_eq!((service::limit(&mut client).await, health(&tollgate).await), (Some(5), 200));
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_the_stream_and_the_log_says_what_to_raise() {
    let mut ads = Ads::start().await;
    let small = builder(ads.address).env("XDS_CLIENT_MAX_MSG_SIZE_IN_BYTES", "1000");
    let (tollgate, stream, mut client) = started(small, &mut ads, limit(5)).await;
    let many = |count: u32| (0..count).map(|number| rule(&format!("key-{number}"), 1)).collect::<Vec<_>>();
    stream.send("2", "n2", [resource("d", many(100))]).await;
    let mut stream = ads.accept().await;
    assert_eq!(stream.reply().await, ack("1", ""));
    assert_eq!(service::limit(&mut client).await, Some(5));
    let logged = tollgate.wait_for_lines("the xDS stream ended", 1);
    assert!(logged[0].contains("the limit is: 1000 bytes; raise XDS_CLIENT_MAX_MSG_SIZE_IN_BYTES"), "{logged:?}");
}

/// Forwards bytes until it is set to hang: then it keeps its connections and sends nothing.
async fn proxy(to: SocketAddr) -> (SocketAddr, tokio::sync::watch::Sender<bool>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let hang = tokio::sync::watch::Sender::new(false);
    let hanging = hang.clone();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut hung = hanging.subscribe();
            // existing connections hang; later ones do not
            hung.mark_unchanged();
            tokio::spawn(async move {
                let mut far = tokio::net::TcpStream::connect(to).await.expect("the server");
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    _ = hung.changed() => std::future::pending().await,
                }
            });
        }
    });
    (address, hang)
}

#[tokio::test]
async fn a_connection_that_is_half_open_is_noticed() {
    let mut ads = Ads::start().await;
    let (address, hang) = proxy(ads.address).await;
    let pinging = builder(address).env("XDS_CLIENT_KEEPALIVE_INTERVAL", "3s");
    let (tollgate, _stream, mut client) = started(pinging, &mut ads, limit(5)).await;
    hang.send_replace(true);
    let mut stream = ads.accept().await;
    assert_eq!(stream.reply().await, ack("1", ""));
    stream.send("2", "n2", limit(6)).await;
    assert_eq!(stream.reply().await, ack("2", "n2"));
    assert_eq!(service::limit(&mut client).await, Some(6));
    let logged = tollgate.wait_for_lines("the xDS stream ended", 1);
    assert!(logged.iter().any(|line| line.contains("a ping was not answered")), "{logged:?}");
}
