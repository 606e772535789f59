//! RFC 9113, rule by rule: what is sent, and what happens to the stream and the connection.

use wire::{Config, ErrorCode};

use crate::support::{
    frames::{
        ACK, CONTINUATION, DATA, ENABLE_PUSH, END_HEADERS, END_STREAM, GOAWAY, HAS_PRIORITY, HEADERS,
        INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, PADDED, PING, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
        block, call, data, frame, open, padded, request, reset, settings, window_update,
    },
    machine::{Machine, goaway, reset_code},
};

/// The outcome that a rule requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The connection is closed.
    Closed(ErrorCode),
    /// The stream is reset, and the connection continues.
    Reset(u32, ErrorCode),
    /// Everything continues.
    Fine,
}
use Then::{Closed, Fine, Reset};

const PROTOCOL: Then = Closed(ErrorCode::PROTOCOL_ERROR);
const FRAME_SIZE: Then = Closed(ErrorCode::FRAME_SIZE_ERROR);
const FLOW: Then = Closed(ErrorCode::FLOW_CONTROL_ERROR);
const COMPRESSION: Then = Closed(ErrorCode::COMPRESSION_ERROR);
const STREAM_CLOSED: Then = Closed(ErrorCode::STREAM_CLOSED);

fn malformed(stream: u32) -> Then {
    Reset(stream, ErrorCode::PROTOCOL_ERROR)
}

/// Sends the bytes of each case on a new connection, and a call after them.
fn check(cases: &[(&str, Vec<u8>, Then)]) {
    for (what, bytes, then) in cases {
        let mut machine = Machine::new();
        let frames = machine.send(bytes);
        match *then {
            Closed(code) => {
                assert_eq!(goaway(&frames), Some(code), "{what}: {frames:?}");
                assert!(machine.connection.is_over(), "{what}");
                assert_eq!(machine.closed().map(|(code, _)| code), Some(code), "{what}");
                assert_eq!(machine.remote().live(), 0, "{what}");
                continue;
            }
            Reset(stream, code) => assert_eq!(reset_code(&frames, stream), Some(code), "{what}: {frames:?}"),
            Fine => {
                assert!(frames.iter().all(|frame| ![RST_STREAM, GOAWAY].contains(&frame.kind)), "{what}: {frames:?}");
            }
        }
        let frames = machine.send(&call(1001, "/echo", b"still there"));
        assert!(frames.iter().any(|frame| frame.payload == b"still there"), "{what}: {frames:?}");
    }
}

fn head(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, stream, &block(fields))
}

fn echo(stream: u32, flags: u8, more: &[(&str, &str)]) -> Vec<u8> {
    head(stream, flags, &request("/echo", more))
}

#[test]
fn streams_that_were_never_opened() {
    check(&[
        ("DATA", data(1, b"x", 0), PROTOCOL),
        ("DATA on a stream of the server", data(2, b"x", 0), PROTOCOL),
        ("RST_STREAM", reset(1), PROTOCOL),
        ("RST_STREAM of a stream of the server", reset(2), PROTOCOL),
        ("WINDOW_UPDATE", window_update(1, 1), PROTOCOL),
        ("WINDOW_UPDATE of a stream of the server", window_update(2, 1), PROTOCOL),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 9]), Fine),
        ("CONTINUATION", frame(CONTINUATION, END_HEADERS, 1, &[]), PROTOCOL),
        ("HEADERS of a stream of the server", open(2, "/echo", END_STREAM), PROTOCOL),
        ("an unknown type", frame(99, 0xff, 1, b"anything"), Fine),
        ("an unknown type on a stream of the server", frame(99, 0xff, 2, b""), Fine),
    ]);
}

#[test]
fn the_connection_itself() {
    check(&[
        ("DATA", data(0, b"x", 0), PROTOCOL),
        ("HEADERS", open(0, "/echo", 0), PROTOCOL),
        ("PRIORITY", frame(PRIORITY, 0, 0, &[0; 5]), PROTOCOL),
        ("RST_STREAM", frame(RST_STREAM, 0, 0, &[0; 4]), PROTOCOL),
        ("CONTINUATION", frame(CONTINUATION, END_HEADERS, 0, &[]), PROTOCOL),
        ("PUSH_PROMISE", frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]), PROTOCOL),
        ("SETTINGS on a stream", frame(SETTINGS, 0, 1, &[]), PROTOCOL),
        ("PING on a stream", frame(PING, 0, 1, &[0; 8]), PROTOCOL),
        ("GOAWAY on a stream", frame(GOAWAY, 0, 1, &[0; 8]), PROTOCOL),
        ("GOAWAY", frame(GOAWAY, 0, 0, &[0; 30]), Fine),
        ("PING with unknown flags", frame(PING, 0xfe, 0, &[1; 8]), Fine),
        ("an acknowledgement of a PING that was not sent", frame(PING, ACK, 0, &[1; 8]), Fine),
        ("an acknowledgement of SETTINGS that were not sent", frame(SETTINGS, ACK, 0, &[]), Fine),
    ]);
}

#[test]
fn lengths() {
    check(&[
        ("PING", frame(PING, 0, 0, &[0; 7]), FRAME_SIZE),
        ("RST_STREAM", [open(1, "/wait", 0), frame(RST_STREAM, 0, 1, &[0; 3])].concat(), FRAME_SIZE),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1]), FRAME_SIZE),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0; 4]), FRAME_SIZE),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[0; 7]), FRAME_SIZE),
        ("an acknowledgement of SETTINGS", frame(SETTINGS, ACK, 0, &[0; 6]), FRAME_SIZE),
        ("GOAWAY", frame(GOAWAY, 0, 0, &[0; 7]), FRAME_SIZE),
        ("HEADERS without all of a priority", frame(HEADERS, END_HEADERS | HAS_PRIORITY, 1, &[0; 4]), FRAME_SIZE),
        ("the longest frame", frame(99, 0, 0, &[0; 16_384]), Fine),
        ("a longer frame", frame(99, 0, 0, &[0; 16_385]), FRAME_SIZE),
        ("the head of a longer frame", vec![0xff, 0xff, 0xff, DATA, 0, 0, 0, 0, 1], FRAME_SIZE),
    ]);
}

#[test]
fn padding() {
    let request = block(&request("/echo", &[]));
    let headers = |payload: &[u8]| frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, payload);
    let whole = [&[7], &request[..], &[0; 7]].concat();
    check(&[
        ("HEADERS", headers(&whole), Fine),
        ("HEADERS that are all padding", headers(&[7, 0, 0, 0, 0, 0, 0, 0]), malformed(1)),
        ("more padding than HEADERS", headers(&[8, 0, 0, 0, 0, 0, 0, 0]), PROTOCOL),
        ("HEADERS without the length of their padding", headers(&[]), PROTOCOL),
        ("DATA", [open(1, "/echo", 0), padded(1, b"x", 255, END_STREAM)].concat(), Fine),
        ("DATA that are all padding", [open(1, "/echo", 0), padded(1, b"", 3, END_STREAM)].concat(), Fine),
        ("more padding than DATA", [open(1, "/echo", 0), frame(DATA, PADDED, 1, &[1])].concat(), PROTOCOL),
        (
            "DATA without the length of their padding",
            [open(1, "/echo", 0), frame(DATA, PADDED, 1, &[])].concat(),
            PROTOCOL,
        ),
    ]);
}

#[test]
fn settings_have_ranges() {
    let overflow = [window_update(1, 0x7fff_ffff - 65_535), settings(&[(INITIAL_WINDOW_SIZE, 65_536)])].concat();
    check(&[
        ("ENABLE_PUSH 0", settings(&[(ENABLE_PUSH, 0)]), Fine),
        ("ENABLE_PUSH 2", settings(&[(ENABLE_PUSH, 2)]), PROTOCOL),
        ("INITIAL_WINDOW_SIZE 2^31-1", settings(&[(INITIAL_WINDOW_SIZE, 0x7fff_ffff)]), Fine),
        ("INITIAL_WINDOW_SIZE 2^31", settings(&[(INITIAL_WINDOW_SIZE, 1 << 31)]), FLOW),
        ("MAX_FRAME_SIZE 16383", settings(&[(MAX_FRAME_SIZE, 16_383)]), PROTOCOL),
        ("MAX_FRAME_SIZE 2^24-1", settings(&[(MAX_FRAME_SIZE, 0xff_ffff)]), Fine),
        ("MAX_FRAME_SIZE 2^24", settings(&[(MAX_FRAME_SIZE, 1 << 24)]), PROTOCOL),
        ("an unknown setting", settings(&[(0xff00, u32::MAX)]), Fine),
        ("a stream's window that overflows", [call(1, "/wait", b""), overflow].concat(), FLOW),
    ]);
}

#[test]
fn windows() {
    let wait = call(1, "/wait", b"");
    let closed = call(1, "/echo", b"");
    let full = 0x7fff_ffff - 65_535;
    check(&[
        ("the largest of the connection", window_update(0, full), Fine),
        ("a larger one of the connection", window_update(0, full + 1), FLOW),
        ("nothing for the connection", window_update(0, 0), PROTOCOL),
        ("the reserved bit is ignored", window_update(0, 1 << 31 | 1), Fine),
        ("the largest of a stream", [&wait[..], &window_update(1, full)].concat(), Fine),
        (
            "a larger one of a stream",
            [&wait[..], &window_update(1, full + 1)].concat(),
            Reset(1, ErrorCode::FLOW_CONTROL_ERROR),
        ),
        ("nothing for a stream", [&wait[..], &window_update(1, 0)].concat(), malformed(1)),
        ("for a closed stream", [&closed[..], &window_update(1, 5)].concat(), Fine),
    ]);
}

#[test]
fn frames_on_half_closed_and_closed_streams() {
    let waiting = |more: Vec<u8>| [call(1, "/wait", b""), more].concat();
    let closed = |more: Vec<u8>| [call(1, "/echo", b""), more].concat();
    let given_up = |more: Vec<u8>| [call(1, "/wait", b""), reset(1), more].concat();
    let refused = |more: Vec<u8>| [head(1, 0, &[(":method", "POST")]), more].concat();
    let stream_closed = Reset(1, ErrorCode::STREAM_CLOSED);
    check(&[
        ("half-closed: DATA", waiting(data(1, b"x", 0)), stream_closed),
        ("half-closed: HEADERS", waiting(echo(1, END_STREAM, &[])), stream_closed),
        ("half-closed: PRIORITY", waiting(frame(PRIORITY, 0, 1, &[0; 5])), Fine),
        ("half-closed: WINDOW_UPDATE", waiting(window_update(1, 1)), Fine),
        ("half-closed: RST_STREAM", waiting(reset(1)), Fine),
        ("closed: DATA", closed(data(1, b"x", 0)), stream_closed),
        ("closed: HEADERS", closed(echo(1, END_STREAM, &[])), STREAM_CLOSED),
        ("closed: PRIORITY", closed(frame(PRIORITY, 0, 1, &[0; 5])), Fine),
        ("closed: RST_STREAM", closed(reset(1)), Fine),
        ("closed by RST_STREAM: DATA", given_up(data(1, b"x", 0)), stream_closed),
        ("closed by RST_STREAM: HEADERS", given_up(echo(1, END_STREAM, &[])), STREAM_CLOSED),
        ("closed by RST_STREAM: RST_STREAM", given_up(reset(1)), Fine),
        ("an older stream: HEADERS", [call(5, "/echo", b""), echo(3, END_STREAM, &[])].concat(), PROTOCOL),
        // what was sent before the peer learned of our reset is no error
        ("reset by us: DATA", refused(data(1, b"x", END_STREAM)), malformed(1)),
        ("reset by us: trailers", refused(head(1, END_STREAM, &[("x", "y")])), malformed(1)),
        ("reset by us: RST_STREAM", refused(reset(1)), malformed(1)),
        ("reset by us: WINDOW_UPDATE", refused(window_update(1, 1)), malformed(1)),
    ]);
}

#[test]
fn a_reset_stream_is_reset_once() {
    let mut machine = Machine::new();
    let late = [data(1, b"x", 0), data(1, b"x", 0), head(1, END_STREAM, &[("x", "y")])].concat();
    let frames = machine.send(&[head(1, 0, &[(":method", "POST")]), late].concat());
    assert_eq!(frames.iter().filter(|frame| frame.kind == RST_STREAM).count(), 1, "{frames:?}");
}

/// What was sent before the peer learned of our reset may arrive after any number of other resets.
#[test]
fn trailers_of_a_stream_reset_long_ago_end_nothing() {
    let trailers = |stream| head(stream, END_STREAM, &[("x", "y")]);
    let malformed = |stream| head(stream, 0, &[(":method", "POST")]);
    let mut machine = Machine::new();
    machine.send(&(0..1000).flat_map(|n| malformed(2 * n + 1)).collect::<Vec<_>>());
    for stream in [1, 3, 1001, 1999] {
        let frames = machine.send(&trailers(stream));
        assert_eq!(goaway(&frames), None, "{stream}: {frames:?}");
    }
    // the newest stream is the one that was reset first
    machine.send(&(0..1000).flat_map(|n| open(2 * n + 2001, "/hold", 0)).collect::<Vec<_>>());
    machine.send(&malformed(4001));
    let zero = |n: u32| window_update(2 * n + 2001, 0);
    machine.send(&(0..1000).flat_map(zero).collect::<Vec<_>>());
    let frames = machine.send(&[trailers(4001), trailers(2001), call(4003, "/echo", b"still there")].concat());
    assert!(frames.iter().any(|frame| frame.payload == b"still there"), "{frames:?}");
}

#[test]
fn header_blocks_are_not_interrupted() {
    let request = block(&request("/echo", &[]));
    let (front, rest) = request.split_at(3);
    let begun = frame(HEADERS, END_STREAM, 1, front);
    let then = |more: Vec<u8>| [&begun[..], &more].concat();
    let last = frame(CONTINUATION, END_HEADERS, 1, rest);
    check(&[
        ("by nothing", then(last.clone()), Fine),
        ("by an empty part", then([frame(CONTINUATION, 0, 1, &[]), last.clone()].concat()), Fine),
        ("by DATA", then(data(1, b"x", 0)), PROTOCOL),
        ("by HEADERS", then(open(3, "/echo", 0)), PROTOCOL),
        ("by HEADERS of the stream", then(frame(HEADERS, END_HEADERS, 1, rest)), PROTOCOL),
        ("by a part of another stream", then(frame(CONTINUATION, END_HEADERS, 3, rest)), PROTOCOL),
        ("by a PING", then(frame(PING, 0, 0, &[0; 8])), PROTOCOL),
        ("by an unknown type", then(frame(99, 0, 0, &[])), PROTOCOL),
        ("by a second part after the last", then([last.clone(), last].concat()), PROTOCOL),
        ("a block that ends within a field", frame(HEADERS, END_HEADERS, 1, &[0x40, 5, b'a']), COMPRESSION),
        ("a block with an unknown index", frame(HEADERS, END_HEADERS, 1, &[0xfe]), COMPRESSION),
        ("trailers that cannot be decoded", [open(1, "/echo", 0), frame(HEADERS, 5, 1, &[0x80])].concat(), COMPRESSION),
    ]);
}

#[test]
fn requests() {
    let post = (":method", "POST");
    let (scheme, path) = ((":scheme", "http"), (":path", "/echo"));
    let whole = |fields: &[(&str, &str)]| head(1, END_STREAM, fields);
    let priority = [&[0, 0, 0, 1, 9][..], &block(&request("/echo", &[]))].concat();
    let other_priority = [&[0x80, 0, 0, 9, 9][..], &block(&request("/echo", &[]))].concat();
    check(&[
        ("no :path", whole(&[post, scheme]), malformed(1)),
        ("two :path", whole(&[post, scheme, path, path]), malformed(1)),
        ("an empty :path", whole(&[post, scheme, (":path", "")]), malformed(1)),
        ("a pseudo-header after a field", whole(&[post, scheme, ("x", "y"), path]), malformed(1)),
        (":status", whole(&[post, scheme, path, (":status", "200")]), malformed(1)),
        ("connection", whole(&[post, scheme, path, ("connection", "close")]), malformed(1)),
        ("te: gzip", whole(&[post, scheme, path, ("te", "gzip")]), malformed(1)),
        ("te: trailers", whole(&[post, scheme, path, ("te", "trailers")]), Fine),
        ("upper case", whole(&[post, scheme, path, ("X", "y")]), malformed(1)),
        ("a line end in a value", whole(&[post, scheme, path, ("x", "a\nb")]), malformed(1)),
        ("a :path without a slash", whole(&[post, scheme, (":path", "*")]), Fine),
        ("an :authority that is no authority", whole(&[post, scheme, path, (":authority", "a|b c")]), Fine),
        ("CONNECT", whole(&[(":method", "CONNECT"), (":authority", "a:1")]), Fine),
        (
            "a stream that depends on itself",
            frame(HEADERS, END_HEADERS | END_STREAM | HAS_PRIORITY, 1, &priority),
            malformed(1),
        ),
        (
            "a stream that depends on another",
            frame(HEADERS, END_HEADERS | END_STREAM | HAS_PRIORITY, 1, &other_priority),
            Fine,
        ),
        ("PRIORITY on itself", [call(1, "/wait", b""), frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 9])].concat(), malformed(1)),
    ]);
}

#[test]
fn the_length_of_a_body() {
    let announced = |length, more: Vec<u8>| [echo(1, 0, &[("content-length", length)]), more].concat();
    let trailers = head(1, END_STREAM, &[("x", "y")]);
    check(&[
        ("as announced", announced("3", data(1, b"abc", END_STREAM)), Fine),
        ("in two parts", announced("3", [data(1, b"a", 0), padded(1, b"bc", 9, END_STREAM)].concat()), Fine),
        ("before trailers", announced("3", [data(1, b"abc", 0), trailers.clone()].concat()), Fine),
        ("too short", announced("3", data(1, b"ab", END_STREAM)), malformed(1)),
        ("too short before trailers", announced("3", [data(1, b"ab", 0), trailers].concat()), malformed(1)),
        ("too long", announced("3", data(1, b"abcd", 0)), malformed(1)),
        ("too long in the end", announced("3", [data(1, b"abc", 0), data(1, b"d", END_STREAM)].concat()), malformed(1)),
        ("none though there is one announced", echo(1, END_STREAM, &[("content-length", "1")]), malformed(1)),
        ("none", echo(1, END_STREAM, &[("content-length", "0")]), Fine),
        ("no number", echo(1, 0, &[("content-length", "+1")]), malformed(1)),
        ("two values", echo(1, 0, &[("content-length", "1"), ("content-length", "2")]), malformed(1)),
        ("two same values", echo(1, END_STREAM, &[("content-length", "0"), ("content-length", "0")]), Fine),
    ]);
}

#[test]
fn trailers() {
    let after = |more: Vec<u8>| [open(1, "/echo", 0), data(1, b"abc", 0), more].concat();
    let trailers = head(1, END_STREAM, &[("x", "y")]);
    check(&[
        ("trailers", after(trailers.clone()), Fine),
        ("without END_STREAM", after(head(1, 0, &[("x", "y")])), malformed(1)),
        ("with a pseudo-header", after(head(1, END_STREAM, &[(":path", "/")])), malformed(1)),
        ("with te: gzip", after(head(1, END_STREAM, &[("te", "gzip")])), malformed(1)),
        ("with upper case", after(head(1, END_STREAM, &[("X", "y")])), malformed(1)),
        ("with no field", after(head(1, END_STREAM, &[])), Fine),
        ("after END_STREAM", [call(1, "/wait", b""), trailers.clone()].concat(), Reset(1, ErrorCode::STREAM_CLOSED)),
        ("after an early answer", [open(1, "/now", 0), data(1, b"a", 0), trailers].concat(), Fine),
    ]);
}

#[test]
fn the_first_frame_is_settings() {
    for bytes in [frame(PING, 0, 0, &[0; 8]), open(1, "/echo", END_STREAM), frame(SETTINGS, ACK, 0, &[])] {
        let mut machine = Machine::silent(Config::default());
        assert_eq!(goaway(&machine.send(&bytes)), Some(ErrorCode::PROTOCOL_ERROR));
    }
}

/// What a rejected request has added to the table is there for the next one.
#[test]
fn blocks_of_rejected_streams_are_decoded() {
    let mut machine = Machine::with(Config { max_streams: 1, ..Config::default() });
    machine.send(&call(1, "/wait", b""));
    let literal = |name: &[u8], value: &[u8]| [&[0x40, name.len() as u8], name, &[value.len() as u8], value].concat();
    let path = literal(b":path", b"/echo");
    let refused = [&[0x83, 0x86], &path[..]].concat();
    let frames = machine.send(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &refused));
    assert_eq!(reset_code(&frames, 3), Some(ErrorCode::REFUSED_STREAM));
    machine.wake();
    // :path is the newest entry of the table
    machine.send(&frame(HEADERS, END_HEADERS | END_STREAM, 5, &[0x83, 0x86, 0x80 | 62]));
    assert_eq!(machine.handler().last.0, b"/echo");
}

#[test]
fn a_list_over_its_limit_is_served_without_some_fields() {
    let mut machine = Machine::with(Config { max_field_list: 1000, ..Config::default() });
    let long = "v".repeat(5_000);
    let fields = request("/echo", &[("a", "1"), ("long", &long), ("b", "2"), ("content-type", "application/grpc")]);
    let frames = machine.send(&head(1, END_STREAM, &fields));
    assert!(frames.iter().any(|frame| frame.is(DATA, 1)), "{frames:?}");
    assert_eq!(machine.handler().last, (b"/echo".to_vec(), 2, true));
    assert_eq!(machine.remote().events(), [wire::Event::FieldsDropped]);
}

#[test]
fn only_a_block_over_its_limit_closes() {
    let mut machine = Machine::with(Config { max_block: 40_000, ..Config::default() });
    let part = |kind, flags, size| frame(kind, flags, 1, &vec![0xbe; size]);
    assert!(machine.send(&[part(HEADERS, 0, 16_384), part(CONTINUATION, 0, 16_384)].concat()).is_empty());
    let frames = machine.send(&part(CONTINUATION, 0, 8_000));
    assert_eq!(goaway(&frames), Some(ErrorCode::ENHANCE_YOUR_CALM));
}

/// Answers never use indexing, and the first one says so if the peer's table became smaller.
#[test]
fn the_first_block_after_a_smaller_table_begins_with_a_size_update() {
    for (values, update) in [(&[4096][..], false), (&[8192], false), (&[0], true), (&[100, 4096], true)] {
        let mut machine = Machine::new();
        for value in values {
            machine.send(&settings(&[(1, *value)]));
        }
        let mut heads: Vec<bool> = Vec::new();
        machine.send(&call(7, "/wait", b""));
        for (stream, path) in [(9, "/echo"), (11, "/sized/100000"), (13, "/head")] {
            let frames = machine.send(&call(stream, path, b""));
            heads.extend(frames.iter().filter(|frame| frame.kind == HEADERS).map(|frame| frame.payload[0] == 0x20));
        }
        assert!(heads.len() >= 4);
        assert_eq!((heads[0], heads[1..].contains(&true)), (update, false), "{values:?}");
    }
}
