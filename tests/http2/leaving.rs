//! Connections that are to end, because of their age or because the process ends: open calls continue or are ended, and
//! no peer can delay the end.

use tonic::{Code, transport::Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::{
    messages::{
        Outcome::{Answered, Reset, Status},
        data, head, message, outcome, outcomes, status, whole,
    },
    rejections,
    routed::{DEADLINE_EXCEEDED, LIST, NOT_SERVING, SERVING, UNAVAILABLE, asking_for, check, reflect, watch, watched},
};
use testkit::scrape::count;
use testkit::{
    eventually,
    frames::{ACK, DATA, END_STREAM, GOAWAY, HEADERS, PING, Peer, RST_STREAM, SETTINGS, frame},
    rls::{Rls, ask, client, never_sent, request},
};

const RULES: &str =
    "domain: edge\ndescriptors:\n  - {key: path, rate_limit: {unit: year, requests_per_unit: 4000000}}\n";

/// The last stream id in a first GOAWAY.
const ANY: [u8; 4] = [0x7f, 0xff, 0xff, 0xff];

/// Waits for the first GOAWAY and its PING; returns the acknowledgement.
async fn is_warned(peer: &mut Peer) -> Vec<u8> {
    let warning = peer.next(&[GOAWAY]).await;
    assert_eq!(warning.payload[..8], [ANY, [0; 4]].concat(), "NO_ERROR");
    loop {
        let ping = peer.next(&[PING]).await;
        if ping.flags & ACK == 0 {
            return frame(PING, ACK, 0, &ping.payload);
        }
    }
}

/// Waits for the last GOAWAY, which has this stream id.
async fn receives_the_last(peer: &mut Peer, stream: u32) {
    let last = peer.next(&[GOAWAY]).await;
    assert_eq!(last.payload[..8], [stream.to_be_bytes(), [0; 4]].concat());
}

/// A connection ends because of its age, but nothing that is open on it.
#[tokio::test]
async fn a_watch_and_calls_in_flight_outlive_the_goaway_within_the_grace() {
    const CALLS: u32 = 50;
    let mut tollgate = testkit::tollgate!()
        .rules(RULES)
        .env("GRPC_MAX_CONNECTION_AGE", "1s")
        .env("GRPC_MAX_CONNECTION_AGE_GRACE", "1h")
        .env("DRAIN_DELAY", "1h")
        .start();
    let mut peer = Peer::connect(tollgate.address("grpc")).await;
    peer.send_raw(&watch(1)).await;
    assert_eq!(watched(&mut peer, 1).await, SERVING);
    // a half of each: before GOAWAY, before the peer knows of it, and before it has acknowledged it
    let message = message();
    let (first, rest) = message.split_at(12);
    let halves = |from: u32| -> Vec<u8> {
        let streams = (from..).step_by(2).take(CALLS as usize);
        streams.flat_map(|stream| [head(stream), data(stream, 0, first)].concat()).collect()
    };
    peer.send_raw(&halves(3)).await;
    let acknowledged = is_warned(&mut peer).await;
    peer.send_raw(&halves(3 + 2 * CALLS)).await;
    peer.send_raw(&acknowledged).await;
    let last = 1 + 4 * CALLS;
    receives_the_last(&mut peer, last).await;
    let rests: Vec<_> =
        (3..).step_by(2).take(2 * CALLS as usize).flat_map(|stream| data(stream, END_STREAM, rest)).collect();
    peer.send_raw(&rests).await;
    for _ in 0..2 * CALLS {
        loop {
            let frame = peer.next(&[HEADERS, RST_STREAM, GOAWAY]).await;
            assert_eq!(frame.kind, HEADERS, "{frame:?}");
            if frame.flags & END_STREAM != 0 {
                break;
            }
        }
    }
    // a call that comes too late can be retried elsewhere
    peer.send_raw(&whole(last + 2)).await;
    let refused = peer.next(&[HEADERS, RST_STREAM]).await;
    assert_eq!((refused.kind, refused.stream, &refused.payload[..]), (RST_STREAM, last + 2, &[0, 0, 0, 7][..]));
    assert_eq!(rejections(&tollgate).await, [""; 0]);
    tollgate.signal("TERM");
    assert_eq!(watched(&mut peer, 1).await, NOT_SERVING);
    tollgate.signal("TERM");
    assert_eq!(outcome(&mut peer, 1).await, Status(UNAVAILABLE));
    assert!(peer.next_or_end(&[DATA, HEADERS]).await.is_none());
    assert_eq!(tollgate.exit().code(), Some(0));
    let stopped = tollgate.wait_for_log("\"stopped\"");
    assert!(stopped.contains("\"forced\":0"), "{stopped}");
}

/// After the grace period, what is still open sees the end of its connection.
#[tokio::test]
async fn a_watch_ends_with_the_grace() {
    let tollgate = testkit::tollgate!()
        .rules(RULES)
        .env("GRPC_MAX_CONNECTION_AGE", "1s")
        .env("GRPC_MAX_CONNECTION_AGE_GRACE", "1s")
        .start();
    let mut peer = Peer::connect(tollgate.address("grpc")).await;
    peer.send_raw(&watch(1)).await;
    assert_eq!(watched(&mut peer, 1).await, SERVING);
    peer.send_raw(&whole(3)).await;
    assert_eq!(outcome(&mut peer, 3).await, Answered);
    is_warned(&mut peer).await;
    assert!(peer.next_or_end(&[DATA, HEADERS, RST_STREAM]).await.is_none());
    let endpoint = Endpoint::from_shared(format!("http://{}", tollgate.address("grpc"))).expect("an address");
    let mut health = HealthClient::new(endpoint.connect_lazy());
    let asked = HealthCheckRequest { service: "ratelimit".to_owned() };
    let mut watch = health.watch(asked).await.expect("a stream").into_inner();
    assert!(watch.message().await.expect("its first").is_some());
    watch.message().await.expect_err("its connection has ended");
    assert_eq!(rejections(&tollgate).await, [""; 0]);
}

/// With tonic's client the stream stays where it is, and calls use new connections.
#[tokio::test]
async fn a_channel_goes_on_over_new_connections_and_its_watch_over_the_old_one() {
    let mut tollgate = testkit::tollgate!()
        .rules(RULES)
        .env("GRPC_MAX_CONNECTION_AGE", "1s")
        .env("GRPC_MAX_CONNECTION_AGE_GRACE", "1h")
        .env("DRAIN_DELAY", "1h")
        .start();
    let endpoint = Endpoint::from_shared(format!("http://{}", tollgate.address("grpc"))).expect("an address");
    let channel = endpoint.connect_lazy();
    let asked = HealthCheckRequest { service: "ratelimit".to_owned() };
    let mut watch = HealthClient::new(channel.clone()).watch(asked).await.expect("a stream").into_inner();
    let mut next = async || {
        let answer = watch.message().await.map_err(|status| status.code())?;
        Ok(answer.expect("it ends with an error").status())
    };
    assert_eq!(next().await, Ok(ServingStatus::Serving));
    let (mut rls, mut answered) = (Rls::new(channel), 0);
    while count(&tollgate, "tollgate_connections_aged_out_total").await < 3 {
        for _ in 0..20 {
            match rls.should_rate_limit(request("edge", &[&[("path", "/")]])).await {
                Ok(_) => answered += 1,
                Err(status) => assert!(never_sent(&status), "{status:?}"),
            }
        }
    }
    println!("a channel whose connections age: {answered} calls answered, none failed");
    assert_eq!(rejections(&tollgate).await, [""; 0]);
    tollgate.signal("TERM");
    assert_eq!(next().await, Ok(ServingStatus::NotServing));
    tollgate.signal("TERM");
    assert_eq!(next().await, Err(Code::Unavailable));
    assert_eq!(tollgate.exit().code(), Some(0));
}

/// The drain may take an hour, but none of these peers can make it last that long.
#[tokio::test]
async fn peers_that_acknowledge_nothing_do_not_delay_shutdown() {
    let mut tollgate = testkit::tollgate!().rules(RULES).env("DRAIN_TIMEOUT", "1h").start();
    let address = tollgate.address("grpc");
    let settings = frame(SETTINGS, 0, 0, &[]);
    let no_window = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let half_of_a_check = [check(1), data(1, 0, &asking_for("ratelimit")[..9])].concat();
    let peers = [
        ("idle", settings.clone()),
        ("after a call", [settings.clone(), whole(1)].concat()),
        ("with a Watch", [settings.clone(), watch(1)].concat()),
        ("with a Watch that it does not read", [no_window.clone(), watch(1)].concat()),
        ("with an answer that it does not read", [no_window, whole(1)].concat()),
        ("with a stream to reflection", [settings.clone(), reflect(1)].concat()),
        ("with a half of a call", [settings.clone(), head(1), data(1, 0, &message()[..9])].concat()),
        ("with no message", [settings.clone(), head(1)].concat()),
        ("with a half of a health check", [settings.clone(), half_of_a_check].concat()),
        ("with a half of a header block", [settings.clone(), frame(HEADERS, 0, 1, b"\x83\x86")].concat()),
        ("with a half of a frame", [settings.clone(), whole(1)[..20].to_vec()].concat()),
        ("that has said nothing", Vec::new()),
    ];
    let mut open = Vec::new();
    for (name, bytes) in peers {
        open.push((name, Peer::connect_with(address, &bytes).await));
    }
    let mut other = client(address);
    ask(&mut other, request("edge", &[&[("path", "/")]])).await;
    eventually("the connections", async || {
        (count(&tollgate, "tollgate_connections").await == open.len() as u64 + 1).then_some(())
    })
    .await;
    tollgate.signal("TERM");
    assert_eq!(tollgate.exit().code(), Some(0));
    let stopped = tollgate.wait_for_log("\"stopped\"");
    assert!(stopped.contains("\"forced\":0"), "{stopped}");
    for (name, mut peer) in open {
        let mut lasts = Vec::new();
        while let Some(frame) = peer.next_or_end(&[GOAWAY]).await {
            lasts.push(frame.payload[..4].to_vec());
        }
        println!("a peer {name}: {lasts:?}");
        assert_eq!(lasts.first().map(Vec::as_slice), Some(&ANY[..]), "{name}");
        assert!(
            lasts.len() > 1 && lasts[1..].iter().all(|last| last[..3] == [0; 3] && last[3] <= 1),
            "{name}: {lasts:?}"
        );
    }
}

/// Clients that disconnect by themselves have a moment to do so.
#[tokio::test]
async fn streams_see_the_end_of_the_process_and_do_not_delay_it() {
    let mut tollgate = testkit::tollgate!().rules(RULES).env("DRAIN_TIMEOUT", "1h").start();
    let mut peer = Peer::connect(tollgate.address("grpc")).await;
    peer.send_raw(&[reflect(1), data(1, 0, LIST)].concat()).await;
    assert_eq!(peer.next(&[DATA]).await.stream, 1);
    peer.send_raw(&[watch(3), reflect(5)].concat()).await;
    assert_eq!(watched(&mut peer, 3).await, SERVING);
    peer.settle(&[]).await;
    tollgate.signal("TERM");
    assert_eq!(watched(&mut peer, 3).await, NOT_SERVING);
    // those whose requests have not ended are reset too
    let mut ends = Vec::new();
    while let Some(frame) = peer.next_or_end(&[HEADERS, RST_STREAM]).await {
        if frame.kind == RST_STREAM {
            ends.push((frame.stream, Reset(frame.payload[3])));
        } else if frame.flags & END_STREAM != 0 {
            ends.push((frame.stream, status(&frame.payload)));
        }
    }
    let ends_of = |stream| ends.iter().filter(|end| end.0 == stream).map(|end| end.1).collect::<Vec<_>>();
    for (stream, expected) in [(1, &[Status(UNAVAILABLE), Reset(0)][..]), (3, &[Status(UNAVAILABLE)])] {
        assert_eq!(ends_of(stream), expected, "{stream}");
    }
    assert_eq!(ends_of(5), ends_of(1));
    assert_eq!(tollgate.exit().code(), Some(0));
    let stopped = tollgate.wait_for_log("\"stopped\"");
    assert!(stopped.contains("\"forced\":0"), "{stopped}");
}

/// A message to health must arrive in time, and a stream to reflection may last.
#[tokio::test]
async fn an_incomplete_health_check_is_answered() {
    let tollgate = testkit::tollgate!(RULES);
    let mut peer = Peer::connect(tollgate.address("grpc")).await;
    let asked = asking_for("ratelimit");
    peer.send_raw(&reflect(1)).await;
    for (stream, sent) in [(3, &asked[..0]), (5, &asked[..3]), (7, &asked[..9]), (9, &asked)] {
        peer.send_raw(&[check(stream), data(stream, 0, sent)].concat()).await;
    }
    // the last one is complete, but its end does not arrive
    assert_eq!(outcomes(&mut peer, &[3, 5, 7, 9]).await, [Status(DEADLINE_EXCEEDED); 4]);
    assert_eq!(rejections(&tollgate).await, ["{api=\"rls\",reason=\"incomplete\"} 4"]);
    peer.send_raw(&data(1, END_STREAM, LIST)).await;
    assert_eq!(outcome(&mut peer, 1).await, Answered);
}
