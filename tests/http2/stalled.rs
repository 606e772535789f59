//! A process that is stopped for a moment, like a worker without CPU time: it then finds everything that its peers have
//! sent meanwhile. An Envoy cancels calls after 20 ms, so most of it are calls with their resets.

use crate::rejections;
use testkit::frames::{DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, Peer, RST_STREAM, frame, repeated_call};

const RULES: &str =
    "domain: edge\ndescriptors:\n  - {key: path, rate_limit: {unit: year, requests_per_unit: 4000000}}\n";

/// RateLimitRequest{domain: "edge", descriptors: [{entries: [{key: "path", value: "/flip"}]}]}, framed
const MESSAGE: &[u8] = b"\0\0\0\0\x17\x0a\x04edge\x12\x0f\x0a\x0d\x0a\x04path\x12\x05/flip";

#[tokio::test]
async fn calls_cancelled_meanwhile_close_no_connection() {
    // a few, as many as fit in a socket buffer that has not grown, and many
    stall(&[200, 2000, 10_000], |stream, again| {
        let reset = frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
        [whole_call(stream, again), reset].concat()
    })
    .await;
}

/// The clients of hyper and .NET send a call's end in a frame of its own. As many calls as may be open at the same
/// time.
#[tokio::test]
async fn calls_with_separate_end_frames_close_no_connection() {
    stall(&[200, 500, 1000], |stream, again| {
        let head = frame(HEADERS, END_HEADERS, stream, again);
        [head, frame(DATA, 0, stream, MESSAGE), frame(DATA, END_STREAM, stream, b"")].concat()
    })
    .await;
}

/// Sends this many calls to a stopped process, continues it, and asserts that a call after them is answered.
async fn stall(numbers: &[usize], call: impl Fn(u32, &[u8]) -> Vec<u8>) {
    let tollgate = testkit::tollgate!().rules(RULES).env("WORKERS", "1").start();
    let mut peer = Peer::connect(tollgate.address("grpc")).await;
    let (first, again) = repeated_call();
    peer.send_raw(&whole_call(1, &first)).await;
    answered(&mut peer, 1).await;

    let mut stream = 1;
    for calls in numbers {
        let mut meanwhile = Vec::new();
        for _ in 0..*calls {
            stream += 2;
            meanwhile.extend(call(stream, again));
        }
        tollgate.signal("STOP");
        let sent = peer.send_until_full(&meanwhile);
        tollgate.signal("CONT");
        stream += 2;
        meanwhile.extend(whole_call(stream, again));
        peer.send_raw(&meanwhile[sent..]).await;
        answered(&mut peer, stream).await;
    }
    assert_eq!(rejections(&tollgate).await, [""; 0]);
}

fn whole_call(stream: u32, block: &[u8]) -> Vec<u8> {
    [frame(HEADERS, END_HEADERS, stream, block), frame(DATA, END_STREAM, stream, MESSAGE)].concat()
}

/// Waits for the end of a response, and ignores others.
async fn answered(peer: &mut Peer, stream: u32) {
    loop {
        let frame = peer.next(&[HEADERS, RST_STREAM, GOAWAY]).await;
        assert_ne!(frame.kind, GOAWAY, "{}", String::from_utf8_lossy(&frame.payload[8..]));
        if frame.stream == stream {
            assert_eq!(frame.kind, HEADERS, "{frame:?}");
            if frame.flags & END_STREAM != 0 {
                return;
            }
        }
    }
}
