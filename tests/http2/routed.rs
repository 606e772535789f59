//! Calls that tonic services answer and that last as long as their clients want: how many there may be, and for how
//! long.

use prost::Message as _;
use tonic_health::pb::HealthCheckRequest;

use crate::{
    messages::{
        Outcome::{Answered, Status},
        data, outcome, outcomes, whole,
    },
    rejections,
    rig::{Rig, field},
};
use testkit::{
    eventually,
    frames::{DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, Peer, RST_STREAM, frame},
    raw,
};

pub const SERVING: u8 = 1;
pub const NOT_SERVING: u8 = 2;

pub const DEADLINE_EXCEEDED: u8 = 4;
pub const RESOURCE_EXHAUSTED: u8 = 8;
pub const UNIMPLEMENTED: u8 = 12;
pub const UNAVAILABLE: u8 = 14;

/// A request to reflection for the list of services.
pub const LIST: &[u8] = b"\0\0\0\0\x02\x3a\0";

/// The limits of one connection, and of all together.
const OF_A_CONNECTION: u32 = 256;
const CONNECTIONS: usize = 8;

/// A call of `Watch` of health for `ratelimit`.
pub fn watch(stream: u32) -> Vec<u8> {
    watch_with(stream, b"")
}

fn watch_with(stream: u32, fields: &[u8]) -> Vec<u8> {
    let head = open(stream, b"/grpc.health.v1.Health/Watch", fields);
    [head, data(stream, END_STREAM, &asking_for("ratelimit"))].concat()
}

/// HEADERS of a call of `Check` of health.
pub fn check(stream: u32) -> Vec<u8> {
    open(stream, b"/grpc.health.v1.Health/Check", b"")
}

/// HEADERS of a call to reflection.
pub fn reflect(stream: u32) -> Vec<u8> {
    reflect_with(stream, b"")
}

fn reflect_with(stream: u32, fields: &[u8]) -> Vec<u8> {
    open(stream, b"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", fields)
}

/// The message of a call to health.
pub fn asking_for(service: &str) -> Vec<u8> {
    let asked = HealthCheckRequest { service: service.to_owned() };
    raw::frame(0, &asked.encode_to_vec()).to_vec()
}

fn open(stream: u32, path: &[u8], fields: &[u8]) -> Vec<u8> {
    let call = [&b"\x83\x86\x04"[..], &[path.len() as u8], path, b"\x0f\x10\x10application/grpc", fields];
    frame(HEADERS, END_HEADERS, stream, &call.concat())
}

/// Waits for a status that Watch sends on a stream.
pub async fn watched(peer: &mut Peer, stream: u32) -> u8 {
    let message = peer.next(&[DATA, RST_STREAM]).await;
    assert_eq!((message.kind, message.stream), (DATA, stream), "{message:?}");
    let &[0, 0, 0, 0, 2, 8, status] = &message.payload[..] else { panic!("{message:?}") };
    status
}

#[tokio::test]
async fn streams_that_would_fill_the_memory_are_evicted_and_nothing_else() {
    const LATE: u32 = 20;
    let mut rig = Rig::start(testkit::tollgate!());
    let streams = |count: u32| (1..).step_by(2).take(count as usize);
    let mut hogs = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut hog = rig.connect().await;
        hog.send_raw(&streams(OF_A_CONNECTION).flat_map(reflect).collect::<Vec<_>>()).await;
        assert!(hog.settle(&[HEADERS, RST_STREAM, GOAWAY]).await.iter().all(|frame| frame.kind == HEADERS));
        // one more is rejected immediately
        let one_more = 2 * OF_A_CONNECTION + 1;
        hog.send_raw(&reflect(one_more)).await;
        assert_eq!(outcome(&mut hog, one_more).await, Status(RESOURCE_EXHAUSTED));
        let reset = hog.next(&[RST_STREAM]).await;
        assert_eq!((reset.stream, &reset.payload[..]), (one_more, &[0; 4][..]));
        // a client that watches would treat any other error as an unhealthy server
        hog.send_raw(&watch(one_more + 2)).await;
        assert_eq!(outcome(&mut hog, one_more + 2).await, Status(UNIMPLEMENTED));
        hogs.push(hog);
    }
    // there is no memory left, but peers that use less still get some
    let mut late = rig.connect().await;
    for stream in streams(LATE) {
        late.send_raw(&watch(stream)).await;
        assert_eq!(watched(&mut late, stream).await, SERVING);
    }
    let expected = format!("{{api=\"rls\",reason=\"flood\"}} {}", 2 * CONNECTIONS + LATE as usize);
    eventually("the streams that give way", async || {
        (rejections(&rig.tollgate).await == [expected.as_str()]).then_some(())
    })
    .await;
    let mut ended = 0;
    for hog in &mut hogs {
        ended += hog.settle(&[RST_STREAM, GOAWAY]).await.iter().filter(|frame| frame.kind == RST_STREAM).count();
    }
    assert_eq!(ended, LATE as usize, "as many as there were to come");
    // unary calls are answered, even on the connections of the peers that hold the streams
    for peer in hogs.iter_mut().chain([&mut late]) {
        peer.send_raw(&[whole(1001), check(1003), data(1003, END_STREAM, &asking_for("ratelimit"))].concat()).await;
        assert_eq!(outcomes(peer, &[1001, 1003]).await, [Answered; 2]);
    }
    rig.other_is_answered().await;
    // no one has lost a stream because of these
    late.send_raw(&reflect(2001)).await;
    late.send_raw(&data(2001, END_STREAM, LIST)).await;
    assert_eq!(outcome(&mut late, 2001).await, Answered);
    println!("streams: {} open, {ended} gave way to {LATE}", CONNECTIONS * OF_A_CONNECTION as usize);
}

#[tokio::test]
async fn the_deadline_of_a_stream_is_its_end() {
    let rig = Rig::start(testkit::tollgate!());
    let mut peer = rig.connect().await;
    let timeout = |value: &[u8]| field(b"grpc-timeout", value);
    // an endless response, an endless request, and both
    peer.send_raw(&watch_with(1, &timeout(b"500m"))).await;
    assert_eq!(watched(&mut peer, 1).await, SERVING);
    peer.send_raw(&reflect_with(3, &timeout(b"500000u"))).await;
    peer.send_raw(&[reflect_with(5, &timeout(b"500m")), data(5, 0, LIST)].concat()).await;
    peer.send_raw(&watch_with(7, &timeout(b"99999999H"))).await;
    assert_eq!(outcomes(&mut peer, &[1, 3, 5]).await, [Status(DEADLINE_EXCEEDED); 3]);
    // the other one continues
    peer.send_raw(&whole(9)).await;
    assert_eq!(outcomes(&mut peer, &[9]).await, [Answered]);
    assert!(peer.settle(&[RST_STREAM, GOAWAY]).await.iter().all(|frame| frame.kind == RST_STREAM && frame.stream != 7));
    assert_eq!(rejections(&rig.tollgate).await, [""; 0], "it is what their clients wanted");
}
