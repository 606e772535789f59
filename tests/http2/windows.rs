//! Flow control, in raw frames: windows that overflow, that are negative, and that are used up by discarded data; and
//! what is sent before the other end's limits are known.

use crate::{
    messages::{
        Outcome::{Answered, Closed, Reset},
        data, head, message, outcome, whole,
    },
    rejections,
    rig::{Rig, initial_window, window_update},
};
use testkit::frames::{DATA, END_STREAM, GOAWAY, HEADERS, Peer, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame};

const PROTOCOL: u8 = 1;
const FLOW_CONTROL: u8 = 3;
const FRAME_SIZE: u8 = 6;

#[tokio::test]
async fn windows() {
    let mut rig = Rig::start(testkit::tollgate!());
    // `Peer::connect` has enlarged the connection's window of 65 535 by 2^30 - 1
    let all_that_may_be = 0x7fff_ffff - 0x3fff_ffff - 65_535;
    let open = |frames: &[Vec<u8>]| [&[head(1)], frames].concat().concat();
    let end = || data(1, END_STREAM, &message());
    let largest = 0x7fff_ffff - 65_535;
    rig.check(&[
        ("the connection's largest", open(&[window_update(0, all_that_may_be), end()]), Answered),
        ("the stream's largest", open(&[window_update(1, largest), end()]), Answered),
        ("the connection's overflows", open(&[window_update(0, all_that_may_be + 1)]), Closed(FLOW_CONTROL)),
        ("the stream's overflows", open(&[window_update(1, largest + 1)]), Reset(FLOW_CONTROL)),
        ("an update of the connection's by 0", open(&[window_update(0, 0)]), Closed(PROTOCOL)),
        ("an update of the stream's by 0", open(&[window_update(1, 0)]), Reset(PROTOCOL)),
        ("SETTINGS with the largest", open(&[initial_window(0x7fff_ffff), end()]), Answered),
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
        ("an update of the wrong size", open(&[frame(WINDOW_UPDATE, 0, 1, &[0, 0, 1])]), Closed(FRAME_SIZE)),
    ])
    .await;
}

/// The response bytes received once everything sent has been handled; and whether the end has arrived.
async fn answered_so_far(peer: &mut Peer) -> (usize, bool) {
    let frames = peer.settle(&[DATA, HEADERS, RST_STREAM, GOAWAY]).await;
    assert!(frames.iter().all(|frame| matches!(frame.kind, DATA | HEADERS)), "{frames:?}");
    let data = frames.iter().filter(|frame| frame.kind == DATA).map(|frame| frame.payload.len());
    (data.sum(), frames.iter().any(|frame| frame.flags & END_STREAM != 0))
}

#[tokio::test]
async fn a_negative_window_holds_the_response() {
    let mut rig = Rig::start(testkit::tollgate!());
    let mut peer = rig.connect().await;
    peer.send_raw(&[initial_window(10), whole(1)].concat()).await;
    assert_eq!(answered_so_far(&mut peer).await, (10, false));
    // the window is -10 now
    peer.send_raw(&initial_window(0)).await;
    assert_eq!(answered_so_far(&mut peer).await, (0, false));
    peer.send_raw(&window_update(1, 10)).await;
    assert_eq!(answered_so_far(&mut peer).await, (0, false));
    peer.send_raw(&window_update(1, 5)).await;
    assert_eq!(answered_so_far(&mut peer).await, (5, false));
    // another call waits like this one
    peer.send_raw(&whole(3)).await;
    assert_eq!(answered_so_far(&mut peer).await, (0, false));
    rig.other_is_answered().await;
    peer.send_raw(&initial_window(1000)).await;
    let (bytes, has_ended) = answered_so_far(&mut peer).await;
    assert!(bytes > 31 && has_ended, "both answers, whole: {bytes}");
    assert_eq!(rejections(&rig.tollgate).await, [""; 0]);
}

/// The window of a connection is not used up by discarded data.
#[tokio::test]
async fn discarded_data_use_up_no_window() {
    let mut rig = Rig::start(testkit::tollgate!().env("MAX_REQUEST_BYTES", "65536"));
    let mut peer = rig.connect().await;
    peer.send_raw(&whole(1)).await;
    assert_eq!(outcome(&mut peer, 1).await, Answered);
    // many times the window of such a connection, as fast as the peer gives it back
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

/// A client that reconnects sends all its waiting calls before it can know the limit of streams.
#[tokio::test]
async fn calls_sent_with_the_preface_are_all_answered() {
    const CALLS: u32 = 200;
    let mut rig = Rig::start(testkit::tollgate!().env("MAX_CONCURRENT_STREAMS", "10"));
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
