//! Streams as no client opens or ends them, in raw frames: what is a call is decided, what is none is reset or closes its
//! connection, and calls on others are answered throughout.

use crate::{
    frames::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, Peer, RST_STREAM, SETTINGS,
        WINDOW_UPDATE, call, frame,
    },
    messages::{
        Outcome::{self, Answered, Closed, Reset, Status},
        data, head, message, outcome, whole,
    },
    rejections,
    support::{
        process::{Builder, Tollgate},
        rls::{Rls, ask, client, request},
    },
};

const RULES: &str =
    "domain: edge\ndescriptors:\n  - {key: path, rate_limit: {unit: year, requests_per_unit: 4000000}}\n";

const PADDED: u8 = 8;
const PRIORITY: u8 = 2;

const PROTOCOL: u8 = 1;
const FLOW_CONTROL: u8 = 3;
const STREAM_CLOSED: u8 = 5;
const COMPRESSION: u8 = 9;

/// gRPC's INTERNAL.
const INTERNAL: u8 = 13;

/// The service, and a caller beside those that are tested.
struct Rig {
    tollgate: Tollgate,
    other: Rls,
}

impl Rig {
    fn start(builder: Builder) -> Self {
        let tollgate = builder.rules(RULES).start();
        let other = client(tollgate.address("grpc"));
        Self { tollgate, other }
    }

    async fn connect(&self) -> Peer {
        Peer::connect(self.tollgate.address("grpc")).await
    }

    async fn other_is_answered(&mut self) {
        ask(&mut self.other, request("edge", &[&[("path", "/other")]])).await;
    }

    /// Sends each on a connection of its own, and looks what becomes of the call on stream 1. What does not close the
    /// connection is followed by a call.
    async fn check(&mut self, cases: &[(&str, Vec<u8>, Outcome)]) {
        self.other_is_answered().await;
        for (name, bytes, expected) in cases {
            let mut peer = self.connect().await;
            peer.send_raw(bytes).await;
            self.other_is_answered().await;
            assert_eq!(outcome(&mut peer, 1).await, *expected, "{name}");
            if !matches!(expected, Closed(_)) {
                peer.send_raw(&whole(101)).await;
                assert_eq!(outcome(&mut peer, 101).await, Answered, "after {name}");
            }
            self.other_is_answered().await;
        }
        println!("raw frames: {} cases; counted {:?}", cases.len(), rejections(&self.tollgate).await);
    }
}

/// A field that enters no table.
fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    let length = |text: &[u8]| u8::try_from(text.len()).expect("short");
    [&[0, length(name)], name, &[length(value)], value].concat()
}

/// The front of a call with more fields.
fn head_with(fields: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, 1, &[&call(b"\x01\x01a")[..], fields].concat())
}

fn trailers(flags: u8, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, flags, 1, block)
}

fn padded(flags: u8, bytes: &[u8], padding: u8) -> Vec<u8> {
    data(1, flags | PADDED, &[&[padding], bytes, &vec![0; usize::from(padding)]].concat())
}

fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

fn initial_window(size: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&[0, 4][..], &size.to_be_bytes()].concat())
}

#[tokio::test]
async fn ends_of_requests() {
    let mut rig = Rig::start(Builder::new());
    let message = message();
    // a call, its message in one frame, and what ends it
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
async fn an_end_that_comes_late_is_waited_for() {
    let mut rig = Rig::start(Builder::new());
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
    let mut rig = Rig::start(Builder::new());
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
    let mut rig = Rig::start(Builder::new());
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
async fn windows() {
    let mut rig = Rig::start(Builder::new());
    // `Peer::connect` has given the connection's window 2^30 - 1 more than 65 535
    let all_that_may_be = 0x7fff_ffff - 0x3fff_ffff - 65_535;
    let open = |frames: &[Vec<u8>]| [&[head(1)], frames].concat().concat();
    let end = || data(1, END_STREAM, &message());
    let largest = 0x7fff_ffff - 65_535;
    rig.check(&[
        ("the connection's largest", open(&[window_update(0, all_that_may_be), end()]), Answered),
        ("the stream's largest", open(&[window_update(1, largest), end()]), Answered),
        ("the connection's overflows", open(&[window_update(0, all_that_may_be + 1)]), Closed(FLOW_CONTROL)),
        ("the stream's overflows", open(&[window_update(1, largest + 1)]), Reset(FLOW_CONTROL)),
        ("the connection's gets nothing", open(&[window_update(0, 0)]), Closed(PROTOCOL)),
        ("the stream's gets nothing", open(&[window_update(1, 0)]), Reset(PROTOCOL)),
        ("SETTINGS of the largest", open(&[initial_window(0x7fff_ffff), end()]), Answered),
        ("SETTINGS beyond it", open(&[initial_window(0x8000_0000)]), Closed(FLOW_CONTROL)),
        (
            "SETTINGS make the stream's overflow",
            open(&[window_update(1, 100), initial_window(0x7fff_ffff)]),
            Closed(FLOW_CONTROL),
        ),
        (
            "SETTINGS make it the largest",
            open(&[window_update(1, 100), initial_window(0x7fff_ffff - 100), end()]),
            Answered,
        ),
        ("an update of a stream that was never opened", open(&[window_update(3, 1)]), Closed(PROTOCOL)),
        ("an update of the wrong size", open(&[frame(WINDOW_UPDATE, 0, 1, &[0, 0, 1])]), Closed(6)),
    ])
    .await;
}

/// The bytes of the answer that have come, once all that was sent is worked through; and whether its end has.
async fn answered_so_far(peer: &mut Peer) -> (usize, bool) {
    let frames = peer.settle(&[DATA, HEADERS, RST_STREAM, GOAWAY]).await;
    assert!(frames.iter().all(|frame| matches!(frame.kind, DATA | HEADERS)), "{frames:?}");
    let data = frames.iter().filter(|frame| frame.kind == DATA).map(|frame| frame.payload.len());
    (data.sum(), frames.iter().any(|frame| frame.flags & END_STREAM != 0))
}

#[tokio::test]
async fn a_window_that_is_below_zero_holds_the_answer() {
    let mut rig = Rig::start(Builder::new());
    let mut peer = rig.connect().await;
    peer.send_raw(&[initial_window(10), whole(1)].concat()).await;
    assert_eq!(answered_so_far(&mut peer).await, (10, false));
    // -10 now
    peer.send_raw(&initial_window(0)).await;
    assert_eq!(answered_so_far(&mut peer).await, (0, false));
    peer.send_raw(&window_update(1, 10)).await;
    assert_eq!(answered_so_far(&mut peer).await, (0, false));
    peer.send_raw(&window_update(1, 5)).await;
    assert_eq!(answered_so_far(&mut peer).await, (5, false));
    // the stream has ended for us: what still comes on it is too late, and another call waits as this one
    peer.send_raw(&whole(3)).await;
    assert_eq!(answered_so_far(&mut peer).await, (0, false));
    rig.other_is_answered().await;
    peer.send_raw(&initial_window(1000)).await;
    let (bytes, has_ended) = answered_so_far(&mut peer).await;
    assert!(bytes > 31 && has_ended, "both answers, whole: {bytes}");
    assert_eq!(rejections(&rig.tollgate).await, [""; 0]);
}

#[tokio::test]
async fn frames_on_closed_streams() {
    let mut rig = Rig::start(Builder::new());
    let after = |frames: Vec<u8>| [whole(1), frames].concat();
    // the call on stream 1 is answered, then this becomes of what follows
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

/// What comes for a stream that was reset was on its way.
#[tokio::test]
async fn frames_on_streams_that_were_reset_are_ignored() {
    let mut rig = Rig::start(Builder::new());
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
    let mut rig = Rig::start(Builder::new());
    // no window for its answer keeps the stream open
    rig.check(&[
        ("DATA", [initial_window(0), whole(1), data(1, 0, b"x"), initial_window(1000)].concat(), Reset(STREAM_CLOSED)),
        ("HEADERS", [initial_window(0), whole(1), head(1), initial_window(1000)].concat(), Reset(STREAM_CLOSED)),
    ])
    .await;
}

/// The window of a connection is not used up by what nobody waits for.
#[tokio::test]
async fn data_that_nobody_waits_for_use_up_no_window() {
    let mut rig = Rig::start(Builder::new().env("MAX_REQUEST_BYTES", "65536"));
    let mut peer = rig.connect().await;
    peer.send_raw(&whole(1)).await;
    assert_eq!(outcome(&mut peer, 1).await, Answered);
    // many times the window of such a connection, as fast as it gives it back
    for _ in 0..100 {
        for _ in 0..4 {
            peer.send_raw(&data(1, 0, &[0; 16_384])).await;
        }
        peer.settle(&[]).await;
    }
    peer.send_raw(&whole(3)).await;
    assert_eq!(outcome(&mut peer, 3).await, Answered);
    rig.other_is_answered().await;
}

/// A client that comes back sends all that waits before it can know how many calls may be open.
#[tokio::test]
async fn calls_that_are_sent_with_the_preface_are_all_answered() {
    const CALLS: u32 = 200;
    let mut rig = Rig::start(Builder::new().env("MAX_CONCURRENT_STREAMS", "10"));
    let streams = || (1..).step_by(2).take(CALLS as usize);
    let first = frame(SETTINGS, 0, 0, &[]);
    let whole_calls: Vec<_> = streams().flat_map(whole).collect();
    // all of them are open at the same time
    let heads: Vec<_> = streams().flat_map(|stream| [head(stream), data(stream, 0, &message())].concat()).collect();
    let ends: Vec<_> = streams().flat_map(|stream| data(stream, END_STREAM, b"")).collect();
    for (name, calls) in [("whole", whole_calls.clone()), ("at the same time", [heads, ends].concat())] {
        for settings in [first.clone(), [first.clone(), initial_window(7)].concat()] {
            let mut peer = Peer::connect_with(rig.tollgate.address("grpc"), &[settings, calls.clone()].concat()).await;
            let mut answered = 0;
            while answered < CALLS {
                let frame = peer.next(&[HEADERS, DATA, RST_STREAM, GOAWAY]).await;
                assert!(matches!(frame.kind, HEADERS | DATA), "{name}, after {answered} calls: {frame:?}");
                answered += u32::from(frame.flags & END_STREAM != 0);
                if frame.kind == DATA {
                    let used = u32::try_from(frame.payload.len()).expect("short");
                    peer.send_raw(&window_update(frame.stream, used)).await;
                }
            }
            rig.other_is_answered().await;
        }
    }
    assert_eq!(rejections(&rig.tollgate).await, [""; 0]);
}

/// PINGs, also those that look as if they were ours.
#[tokio::test]
async fn pings_are_answered_between_the_frames_of_a_call() {
    let mut rig = Rig::start(Builder::new());
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
