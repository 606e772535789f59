//! Streams opened and ended in ways that no client uses, in raw frames: a call is decided, anything else is reset or
//! closes its connection, and calls on other connections are always answered.

use crate::{
    messages::{
        Outcome::{Answered, Closed, Reset, Status},
        data, head, message, outcome, whole,
    },
    rejections,
    rig::{Rig, field, initial_window, window_update},
};
use testkit::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, call, frame,
};

const PADDED: u8 = 8;
const PRIORITY: u8 = 2;

const PROTOCOL: u8 = 1;
const STREAM_CLOSED: u8 = 5;
const COMPRESSION: u8 = 9;

/// gRPC's INTERNAL.
const INTERNAL: u8 = 13;

/// HEADERS of a call with additional fields.
fn head_with(fields: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, 1, &[&call(b"\x01\x01a")[..], fields].concat())
}

fn trailers(flags: u8, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, flags, 1, block)
}

fn padded(flags: u8, bytes: &[u8], padding: u8) -> Vec<u8> {
    data(1, flags | PADDED, &[&[padding], bytes, &vec![0; usize::from(padding)]].concat())
}

#[tokio::test]
async fn ends_of_requests() {
    let mut rig = Rig::start(testkit::tollgate!());
    let message = message();
    // a call with its message in one frame, and what ends it
    let ended = |end: Vec<u8>| [head(1), data(1, 0, &message), end].concat();
    let bytewise: Vec<_> = message.iter().flat_map(|byte| data(1, 0, &[*byte])).collect();
    let end = END_STREAM | END_HEADERS;
    rig.check(&[
        ("an empty frame", ended(data(1, END_STREAM, b"")), Answered),
        ("empty frames before it", ended([data(1, 0, b"").repeat(100), data(1, END_STREAM, b"")].concat()), Answered),
        ("a byte in each frame", [head(1), bytewise, data(1, END_STREAM, b"")].concat(), Answered),
        ("trailers", ended(trailers(end, &field(b"x", b"y"))), Answered),
        ("trailers of no fields", ended(trailers(end, b"")), Answered),
        (
            "trailers in parts",
            ended([trailers(END_STREAM, b"\x00\x01x"), frame(CONTINUATION, END_HEADERS, 1, b"\x01y")].concat()),
            Answered,
        ),
        ("trailers of a known pseudo-header", ended(trailers(end, b"\x83")), Reset(PROTOCOL)),
        ("trailers of an unknown pseudo-header", ended(trailers(end, &field(b":x", b"y"))), Reset(PROTOCOL)),
        ("trailers with a status", ended(trailers(end, b"\x88")), Reset(PROTOCOL)),
        ("trailers in capitals", ended(trailers(end, &field(b"X", b"y"))), Reset(PROTOCOL)),
        ("trailers that do not end the stream", ended(trailers(END_HEADERS, &field(b"x", b"y"))), Reset(PROTOCOL)),
        ("trailers that cannot be decoded", ended(trailers(end, b"\xff\xff\xff\xff\xff\xff")), Closed(COMPRESSION)),
        ("trailers and no message", [head(1), trailers(end, b"")].concat(), Status(INTERNAL)),
        ("no message", [head(1), data(1, END_STREAM, b"")].concat(), Status(INTERNAL)),
        ("half a message", [head(1), data(1, END_STREAM, &message[..9])].concat(), Status(INTERNAL)),
    ])
    .await;
}

#[tokio::test]
async fn a_late_end_is_waited_for() {
    let mut rig = Rig::start(testkit::tollgate!());
    let mut peer = rig.connect().await;
    let end = END_STREAM | END_HEADERS;
    for (stream, end) in [
        (1, data(1, END_STREAM, b"")),
        (3, frame(HEADERS, end, 3, &field(b"x", b"y"))),
        (5, frame(DATA, END_STREAM | PADDED, 5, b"\x03\0\0\0")),
    ] {
        peer.send_raw(&[head(stream), data(stream, 0, &message())].concat()).await;
        // a second in which others are answered
        let since = std::time::Instant::now();
        while since.elapsed().as_secs() < 1 {
            rig.other_is_answered().await;
            assert!(peer.settle(&[HEADERS, RST_STREAM, GOAWAY]).await.is_empty(), "no decision before the end");
        }
        peer.send_raw(&end).await;
        assert_eq!(outcome(&mut peer, stream).await, Answered);
    }
    assert_eq!(rejections(&rig.tollgate).await, [""; 0]);
}

#[tokio::test]
async fn content_lengths() {
    let mut rig = Rig::start(testkit::tollgate!());
    let message = message();
    let length = |difference: isize| message.len().strict_add_signed(difference).to_string();
    let announced = |value: &str| head_with(&field(b"content-length", value.as_bytes()));
    let body = |value: &str| [announced(value), data(1, END_STREAM, &message)].concat();
    let [right, short, long] = [length(0), length(-1), length(1)];
    let twice = |other: &str| {
        let fields = [right.as_str(), other].map(|value| field(b"content-length", value.as_bytes())).concat();
        [head_with(&fields), data(1, END_STREAM, &message)].concat()
    };
    let end = END_STREAM | END_HEADERS;
    let by_trailers = |value: &str| [announced(value), data(1, 0, &message), trailers(end, b"")].concat();
    rig.check(&[
        ("the length", body(&right), Answered),
        ("with zeros", body(&format!("000{right}")), Answered),
        ("the length twice", twice(&right), Answered),
        (
            "in parts",
            [announced(&right), data(1, 0, &message[..7]), data(1, END_STREAM, &message[7..])].concat(),
            Answered,
        ),
        ("padding does not count", [announced(&right), padded(END_STREAM, &message, 200)].concat(), Answered),
        ("before trailers", by_trailers(&right), Answered),
        ("too short", body(&short), Reset(PROTOCOL)),
        ("too long", body(&long), Reset(PROTOCOL)),
        ("too long, before trailers", by_trailers(&long), Reset(PROTOCOL)),
        ("too short, and the body does not end", [announced(&short), data(1, 0, &message)].concat(), Reset(PROTOCOL)),
        ("two lengths", twice(&long), Reset(PROTOCOL)),
        ("none", body(""), Reset(PROTOCOL)),
        ("below zero", body("-1"), Reset(PROTOCOL)),
        ("with a sign", body(&format!("+{right}")), Reset(PROTOCOL)),
        ("a list", body(&format!("{right}, {right}")), Reset(PROTOCOL)),
        ("above 2^64", body("18446744073709551616"), Reset(PROTOCOL)),
        ("2^64 - 1", body("18446744073709551615"), Reset(PROTOCOL)),
        (
            "of no body",
            frame(HEADERS, end, 1, &[call(b"\x01\x01a"), field(b"content-length", b"5")].concat()),
            Reset(PROTOCOL),
        ),
    ])
    .await;
}

#[tokio::test]
async fn padding() {
    let mut rig = Rig::start(testkit::tollgate!());
    let message = message();
    let head_padded = |block: &[u8], padding: u8| {
        let payload = [&[padding], block, &vec![0; usize::from(padding)]].concat();
        [frame(HEADERS, END_HEADERS | PADDED, 1, &payload), data(1, END_STREAM, &message)].concat()
    };
    let with = |data: Vec<u8>| [head(1), data].concat();
    let whole_and = |frame: Vec<u8>| [head(1), data(1, 0, &message), frame].concat();
    rig.check(&[
        ("DATA", with(padded(END_STREAM, &message, 7)), Answered),
        ("DATA, as long as can be", with(padded(END_STREAM, &message, 255)), Answered),
        ("DATA, of no length", with(padded(END_STREAM, &message, 0)), Answered),
        ("DATA that are all padding", whole_and(padded(END_STREAM, b"", 255)), Answered),
        ("much of it", [head(1), padded(0, b"", 255).repeat(2000), data(1, END_STREAM, &message)].concat(), Answered),
        ("HEADERS", head_padded(&call(b"\x01\x01a"), 255), Answered),
        ("DATA, as long as their payload", with(data(1, END_STREAM | PADDED, &[5, 0, 0, 0, 0])), Closed(PROTOCOL)),
        ("DATA, longer than their payload", with(data(1, END_STREAM | PADDED, &[255, 0])), Closed(PROTOCOL)),
        ("DATA without its length", with(data(1, END_STREAM | PADDED, b"")), Closed(PROTOCOL)),
        ("HEADERS, as long as their payload", frame(HEADERS, END_HEADERS | PADDED, 1, &[3, 0, 0]), Closed(PROTOCOL)),
        ("HEADERS without its length", frame(HEADERS, END_HEADERS | PADDED, 1, b""), Closed(PROTOCOL)),
    ])
    .await;
}

#[tokio::test]
async fn frames_on_closed_streams() {
    let mut rig = Rig::start(testkit::tollgate!());
    let after = |frames: Vec<u8>| [whole(1), frames].concat();
    // the call on stream 1 is answered; then the outcome of what follows
    for (name, late, expected) in [
        ("DATA", data(1, 0, b"late"), Some(Reset(STREAM_CLOSED))),
        ("empty DATA that end it", data(1, END_STREAM, b""), Some(Reset(STREAM_CLOSED))),
        ("RST_STREAM", frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), None),
        ("WINDOW_UPDATE", window_update(1, 1), None),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]), None),
        ("an unknown frame", frame(99, 0, 1, b"x"), None),
        ("a late SETTINGS acknowledgement", frame(SETTINGS, ACK, 0, b""), None),
        ("a GOAWAY", frame(GOAWAY, 0, 0, &[0; 8]), None),
        ("HEADERS", head(1), Some(Closed(STREAM_CLOSED))),
        ("a lower stream", [whole(7), head(5)].concat(), Some(Closed(PROTOCOL))),
        ("DATA of a stream that was never opened", data(3, 0, b"x"), Some(Closed(PROTOCOL))),
        ("RST_STREAM of such a stream", frame(RST_STREAM, 0, 3, &[0; 4]), Some(Closed(PROTOCOL))),
        ("a CONTINUATION", frame(CONTINUATION, END_HEADERS, 1, b""), Some(Closed(PROTOCOL))),
        ("a frame between a block's parts", [frame(HEADERS, 0, 3, b"\x83"), whole(5)].concat(), Some(Closed(PROTOCOL))),
        ("a stream of the server's", head(2), Some(Closed(PROTOCOL))),
    ] {
        let mut peer = rig.connect().await;
        peer.send_raw(&after(late)).await;
        assert_eq!(outcome(&mut peer, 1).await, Answered, "{name}");
        if let Some(expected) = expected {
            assert_eq!(outcome(&mut peer, 1).await, expected, "{name}");
        }
        if !matches!(expected, Some(Closed(_))) {
            peer.send_raw(&whole(101)).await;
            assert_eq!(outcome(&mut peer, 101).await, Answered, "after {name}");
        }
        rig.other_is_answered().await;
    }
}

/// Frames for a stream that was reset were sent before the peer knew.
#[tokio::test]
async fn frames_on_streams_that_were_reset_are_ignored() {
    let mut rig = Rig::start(testkit::tollgate!());
    let twice = frame(HEADERS, END_HEADERS, 1, &call(b"\x01\x01a\x01\x01b"));
    let late = [data(1, 0, b"late").repeat(50), frame(HEADERS, END_HEADERS | END_STREAM, 1, b"")].concat();
    let mut peer = rig.connect().await;
    peer.send_raw(&[twice, late, frame(RST_STREAM, 0, 1, &[0; 4]), whole(3)].concat()).await;
    assert_eq!(outcome(&mut peer, 1).await, Reset(PROTOCOL));
    assert_eq!(outcome(&mut peer, 3).await, Answered);
    rig.other_is_answered().await;
}

#[tokio::test]
async fn data_after_the_end_of_a_request_are_too_late() {
    let mut rig = Rig::start(testkit::tollgate!());
    // without a window for its answer the stream stays open
    rig.check(&[
        ("DATA", [initial_window(0), whole(1), data(1, 0, b"x"), initial_window(1000)].concat(), Reset(STREAM_CLOSED)),
        ("HEADERS", [initial_window(0), whole(1), head(1), initial_window(1000)].concat(), Reset(STREAM_CLOSED)),
    ])
    .await;
}

/// PINGs, including those that resemble ours.
#[tokio::test]
async fn pings_are_answered_between_the_frames_of_a_call() {
    let mut rig = Rig::start(testkit::tollgate!());
    let mut peer = rig.connect().await;
    let message = message();
    peer.send_raw(&head(1)).await;
    for byte in &message {
        peer.send_raw(&[frame(PING, 0, 0, &[*byte; 8]), data(1, 0, &[*byte]), frame(PING, ACK, 0, &[1; 8])].concat())
            .await;
        let answer = peer.next(&[PING, RST_STREAM, GOAWAY]).await;
        assert_eq!((answer.kind, answer.flags, &answer.payload[..]), (PING, ACK, &[*byte; 8][..]));
    }
    peer.send_raw(&data(1, END_STREAM, b"")).await;
    assert_eq!(outcome(&mut peer, 1).await, Answered);
    rig.other_is_answered().await;
    assert_eq!(rejections(&rig.tollgate).await, [""; 0]);
}
