//! The responses are those of grpc-go 1.85 to the same calls, unless stated otherwise.

use std::{io::Write as _, slice};

use bytes::Bytes;
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitResponse, rate_limit_response::Code};
use flate2::{Compression, write::GzEncoder};

use crate::refusals::{RULES, good, left, rejected};
use testkit::raw::{Raw, SHOULD_RATE_LIMIT, frame};

const GRPC: (&str, &str) = ("content-type", "application/grpc");

pub(crate) fn zip(message: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(message).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

struct Case<'a> {
    method: &'a str,
    path: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    frames: Vec<Bytes>,
    status: u16,
    code: i32,
    message: &'a str,
    reason: &'a str,
}

fn head<'a>(
    method: &'a str,
    path: &'a str,
    headers: &[(&'a str, &'a str)],
    (status, code, message): (u16, i32, &'a str),
    reason: &'a str,
) -> Case<'a> {
    let frames = vec![frame(0, &good())];
    Case { method, path, headers: headers.to_vec(), frames, status, code, message, reason }
}

fn message<'a>(
    headers: &[(&'a str, &'a str)],
    frames: &[&[u8]],
    (code, message): (i32, &'a str),
    reason: &'a str,
) -> Case<'a> {
    let frames = frames.iter().map(|frame| Bytes::copy_from_slice(frame)).collect();
    let headers = [&[GRPC], headers].concat();
    Case { method: "POST", path: SHOULD_RATE_LIMIT, headers, frames, status: 200, code, message, reason }
}

fn heads() -> Vec<Case<'static>> {
    let rls = SHOULD_RATE_LIMIT;
    let no_post = "Received a HEADERS frame with :method \"GET\" which should be POST";
    let timeout = |value| [GRPC, ("grpc-timeout", value)];
    vec![
        head("GET", rls, &[GRPC], (405, 13, no_post), "method"),
        head("GET", "/x/y", &[GRPC], (405, 13, no_post), "method"),
        head(
            "PUT",
            rls,
            &[GRPC],
            (405, 13, "Received a HEADERS frame with :method \"PUT\" which should be POST"),
            "method",
        ),
        head("GET", rls, &[], (415, 3, "invalid gRPC request content-type \"\""), "content_type"),
        head(
            "POST",
            rls,
            &[("content-type", "application/grpc-web")],
            (415, 3, "invalid gRPC request content-type \"application/grpc-web\""),
            "content_type",
        ),
        head("POST", rls, &timeout("0n"), (200, 4, "context deadline exceeded"), "deadline_exceeded"),
        head(
            "POST",
            rls,
            &timeout("S"),
            (400, 13, "malformed grpc-timeout: transport: timeout string is too short: \"S\""),
            "timeout",
        ),
        head(
            "GET",
            rls,
            &timeout("1x"),
            (400, 13, "malformed grpc-timeout: transport: timeout unit is not recognized: \"1x\""),
            "timeout",
        ),
        head(
            "POST",
            "/grpc.health.v1.Health/Check",
            &timeout("123456789S"),
            (400, 13, "malformed grpc-timeout: transport: timeout string is too long: \"123456789S\""),
            "timeout",
        ),
        head("POST", "/foo", &[GRPC], (200, 12, "malformed method name: \"/foo\""), "unknown_method"),
        head("POST", "/foo%25.Bar/Baz", &[GRPC], (200, 12, "unknown service foo%2525.Bar"), "unknown_method"),
        head("POST", "/a/b/c", &[GRPC], (200, 12, "unknown service a/b"), "unknown_method"),
        head(
            "POST",
            "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit?x=1",
            &[GRPC],
            (200, 12, "unknown method ShouldRateLimit?x=1 for service envoy.service.ratelimit.v3.RateLimitService"),
            "unknown_method",
        ),
        head(
            "POST",
            "/grpc.health.v1.Health/Foo",
            &[GRPC],
            (200, 12, "unknown method Foo for service grpc.health.v1.Health"),
            "unknown_method",
        ),
    ]
}

fn messages(whole: &[u8]) -> Vec<Case<'static>> {
    let gzip = &[("grpc-encoding", "gzip")];
    let compressed = |bytes: &[u8]| frame(1, bytes).to_vec();
    let (none, several) = (
        "cardinality violation: received no request message from non-client-streaming RPC",
        "cardinality violation: received multiple request messages for non-client-streaming RPC",
    );
    let identity = "grpc: compressed flag set with identity or empty encoding";
    let deflate = "grpc: Decompressor is not installed for grpc-encoding \"deflate\"";
    // the text after the colon is ours
    let bad_gzip = "grpc: failed to read decompressed data: ";
    let good = good();
    vec![
        message(&[], &[], (13, none), "incomplete"),
        message(&[], &[&whole[..2]], (13, "unexpected EOF"), "incomplete"),
        message(&[], &[&whole[..9]], (13, "unexpected EOF"), "incomplete"),
        message(&[], &[whole, whole], (13, several), "malformed"),
        message(&[], &[&[whole, whole].concat()], (13, several), "malformed"),
        // grpc-go also names its limit, but not the setting
        message(
            &[],
            &[b"\0\0\x40\0\x01"],
            (8, "grpc: received message larger than max (4194305 vs. 4194304"),
            "message_too_large",
        ),
        message(
            &[],
            &[b"\0\xff\xff\xff\xff"],
            (8, "grpc: received message larger than max (4294967295 vs. 4194304"),
            "message_too_large",
        ),
        message(&[], &[&frame(2, &good)], (13, "grpc: received unexpected payload format 2"), "malformed"),
        message(&[], &[&compressed(&zip(&good))], (13, identity), "malformed"),
        message(&[("grpc-encoding", "identity")], &[&compressed(&zip(&good))], (13, identity), "malformed"),
        message(&[("grpc-encoding", "deflate")], &[whole], (12, deflate), "encoding"),
        message(gzip, &[&compressed(&zip(&good)[..20])], (13, bad_gzip), "malformed"),
        message(gzip, &[&compressed(&good)], (13, "grpc: failed to "), "malformed"),
        message(gzip, &[&compressed(&[&zip(&good)[..], &[0; 3]].concat())], (13, bad_gzip), "malformed"),
        message(
            gzip,
            &[&compressed(&zip(&vec![0; 5 << 20]))],
            (8, "grpc: received message after decompression larger than max 4194304"),
            "message_too_large",
        ),
        // the text after the second colon is ours
        message(&[], &[&frame(0, b"\x0a\x7f")], (13, "grpc: failed to unmarshal the received message: "), "malformed"),
    ]
}

#[tokio::test]
async fn calls_are_rejected_uncharged_and_each_is_counted() {
    let tollgate = testkit::tollgate!(RULES);
    let mut raw = Raw::connect(tollgate.address("grpc")).await;
    let whole = frame(0, &good());
    let before = left(&tollgate).await;
    for case in heads().into_iter().chain(messages(&whole)) {
        let Case { method, path, headers, frames, status, code, message, reason } = case;
        let counted = rejected(&tollgate, "rls", reason).await;
        let answer = raw.call(method, path, &headers, &frames).await;
        let what = format!("{method} {path} {headers:?}: {answer:?}");
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{what}");
        assert!(answer.message().starts_with(message), "{message}: {what}");
        assert_eq!(answer.headers.get("content-type").expect("one"), "application/grpc");
        if code == 12 && reason == "encoding" {
            assert_eq!(answer.headers.get("grpc-accept-encoding").expect("what is accepted"), "gzip");
        }
        assert_eq!(rejected(&tollgate, "rls", reason).await, counted + 1, "{what}");
    }
    assert_eq!(left(&tollgate).await, before);
    let logged = tollgate.logged("rejected before a decision");
    let reasons = [
        "method",
        "content_type",
        "deadline_exceeded",
        "timeout",
        "unknown_method",
        "incomplete",
        "malformed",
        "message_too_large",
        "encoding",
    ];
    for reason in reasons {
        let lines = logged.iter().filter(|line| line.contains(&format!("\"reason\":\"{reason}\""))).count();
        assert_eq!(lines, 1, "{reason}: {logged:#?}");
    }
    assert_eq!(logged.len(), reasons.len(), "{logged:#?}");
    assert!(logged.iter().all(|line| line.contains("127.0.0.1:") && !line.contains("grpc-web")), "{logged:#?}");
}

/// Headers besides those of every call, and DATA frames.
type Way<'a> = (&'a [(&'a str, &'a str)], &'a [Bytes]);

#[tokio::test]
async fn every_way_to_send_a_whole_message_is_answered() {
    let tollgate = testkit::tollgate!(RULES);
    let mut raw = Raw::connect(tollgate.address("grpc")).await;
    let (good, gzip) = (good(), [("grpc-encoding", "gzip")]);
    let whole = frame(0, &good);
    let members = [zip(&good[..7]), zip(&good[7..])].concat();
    let bytes: Vec<Bytes> = whole.chunks(1).map(Bytes::copy_from_slice).collect();
    let ways: &[Way<'_>] = &[
        (&[], slice::from_ref(&whole)),
        (&[], &bytes),
        (&[], &[whole.clone(), Bytes::new()]),
        (&[("grpc-encoding", "identity")], slice::from_ref(&whole)),
        (&gzip, slice::from_ref(&whole)),
        (&gzip, &[frame(1, &zip(&good))]),
        (&gzip, &[frame(1, &members)]),
        (&[("content-type", "text/plain"), ("grpc-timeout", "99999999H")], slice::from_ref(&whole)),
    ];
    let before = left(&tollgate).await;
    for (headers, frames) in ways {
        let answer = raw.ask(headers, frames).await;
        assert_eq!(answer.decode::<RateLimitResponse>().overall_code(), Code::Ok, "{headers:?}");
        assert!(answer.headers.get("grpc-encoding").is_none(), "answers are not compressed");
    }
    assert_eq!(left(&tollgate).await, before - u32::try_from(ways.len()).expect("few"), "each is charged once");
}

#[tokio::test]
async fn health_takes_gzip_too() {
    let tollgate = testkit::tollgate!(RULES);
    let mut raw = Raw::connect(tollgate.address("grpc")).await;
    let headers = [GRPC, ("grpc-encoding", "gzip")];
    // the service "ratelimit"
    let message = frame(1, &zip(b"\x0a\x09ratelimit"));
    let answer = raw.call("POST", "/grpc.health.v1.Health/Check", &headers, &[message]).await;
    assert_eq!((answer.code(), &answer.body[..]), (0, &b"\0\0\0\0\x02\x08\x01"[..]));
}
