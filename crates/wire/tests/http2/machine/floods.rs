//! Floods: frames that belong to no call are allowed in large but limited numbers; cancelled calls in any number.

use std::time::Duration;

use wire::{Config, ErrorCode};

use crate::support::{
    frames::{
        ACK, CONTINUATION, END_HEADERS, END_STREAM, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, PADDED, PING, PRIORITY,
        RST_STREAM, SETTINGS, block, call, data, frame, open, request, reset, settings, window_update,
    },
    machine::{Machine, goaway, reset_code},
};

/// Sends frames until the connection is closed. Returns how many it sent, and checks the error code.
fn flood(machine: &mut Machine, what: &str, mut next: impl FnMut(u32) -> Vec<u8>) -> u32 {
    for n in 0..100_000 {
        let frames = machine.send(&next(n));
        if machine.connection.is_over() {
            assert_eq!(goaway(&frames), Some(ErrorCode::ENHANCE_YOUR_CALM), "{what}");
            return n;
        }
    }
    panic!("{what}: there is no end");
}

#[test]
fn frames_that_are_no_calls_have_an_allowance() {
    let waiting = call(1, "/wait", b"");
    let receiving = open(1, "/hold", 0);
    let closed = call(1, "/echo", b"");
    let held = [settings(&[(INITIAL_WINDOW_SIZE, 0)]), call(1, "/sized/100", b"")].concat();
    let begun = frame(HEADERS, 0, 1, &[]);
    let malformed = |stream| frame(HEADERS, END_HEADERS, stream, &[0x83]);
    let (reset_by_us, many_resets) = (malformed(1), (0..90).flat_map(|n| malformed(2 * n + 1)).collect());
    let trailers = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&[("x", "y")]));
    let cases = [
        ("PING", vec![], frame(PING, 0, 0, &[0; 8])),
        ("acknowledgements of PING", vec![], frame(PING, ACK, 0, &[0; 8])),
        ("SETTINGS", vec![], settings(&[])),
        ("acknowledgements of SETTINGS", vec![], frame(SETTINGS, ACK, 0, &[])),
        ("PRIORITY", vec![], frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1])),
        ("unknown types", vec![], frame(99, 0, 7, &[])),
        ("GOAWAY", vec![], frame(GOAWAY, 0, 0, &[0; 8])),
        ("WINDOW_UPDATE", vec![], window_update(0, 1)),
        ("WINDOW_UPDATE of a stream", waiting.clone(), window_update(1, 1)),
        ("WINDOW_UPDATE of a closed stream", closed.clone(), window_update(1, 1)),
        ("WINDOW_UPDATE while an answer is held", held, window_update(0, 1)),
        ("empty DATA", receiving.clone(), data(1, &[], 0)),
        ("DATA that are all padding", receiving, frame(0, PADDED, 1, &[3, 0, 0, 0])),
        ("DATA on a closed stream", closed.clone(), data(1, b"x", 0)),
        ("RST_STREAM of a closed stream", closed, reset(1)),
        ("trailers on a stream that was reset", reset_by_us, trailers.clone()),
        ("trailers on a stream that was reset long ago", many_resets, trailers),
        ("parts of a header block", begun, frame(CONTINUATION, 0, 1, &[])),
    ];
    for (what, first, bytes) in cases {
        let mut machine = Machine::new();
        machine.send(&first);
        let sent = flood(&mut machine, what, |_| bytes.clone());
        assert!((9_900..=10_100).contains(&sent), "{what}: {sent}");
        assert_eq!(machine.remote().live(), 0);
    }
}

#[test]
fn frames_that_cause_more_work_have_a_lower_limit() {
    let mut machine = Machine::new();
    machine.send(&(0..1000).flat_map(|n| call(2 * n + 1, "/wait", b"")).collect::<Vec<_>>());
    // each changes the windows of a thousand streams
    let sent = flood(&mut machine, "SETTINGS", |n| settings(&[(INITIAL_WINDOW_SIZE, 65_535 + n % 2)]));
    assert!((200..1_000).contains(&sent), "{sent}");
}

#[test]
fn malformed_and_rejected_requests_have_an_allowance() {
    let mut machine = Machine::new();
    let malformed = |n| frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &[0x83]);
    assert!(flood(&mut machine, "malformed", malformed) >= 9_900);

    let mut machine = Machine::with(Config { max_streams: 1, ..Config::default() });
    machine.send(&call(1, "/wait", b""));
    let sent = flood(&mut machine, "refused", |n| open(2 * n + 3, "/echo", END_STREAM));
    assert!(sent >= 9_900, "{sent}");
}

#[test]
fn the_allowance_is_refilled_by_time_and_calls() {
    let mut machine = Machine::new();
    for _ in 0..20 {
        machine.send(&frame(PING, 0, 0, &[0; 8]).repeat(900));
        machine.pass(Duration::from_secs(1));
    }
    for n in 0..20_000 {
        machine.send(&[frame(PING, 0, 0, &[0; 8]).repeat(8), call(2 * n + 1, "/echo", b"")].concat());
    }
    assert!(!machine.connection.is_over());
}

/// A store that is unreachable makes callers cancel all their calls.
#[test]
fn any_number_of_cancelled_calls_is_allowed() {
    let mut machine = Machine::new();
    for n in 0..60_000 {
        let frames = machine.send(&[call(2 * n + 1, "/wait", b"x"), reset(2 * n + 1)].concat());
        assert!(frames.iter().all(|frame| ![GOAWAY, RST_STREAM].contains(&frame.kind)), "{n}: {frames:?}");
    }
    assert_eq!((machine.remote().live(), machine.connection.is_idle()), (0, true));
    // the same with answers that cross the cancellation
    for n in 60_000..120_000 {
        machine.send(&[call(2 * n + 1, "/echo", b"x"), reset(2 * n + 1)].concat());
    }
    // and with requests that have not ended
    for n in 120_000..180_000 {
        machine.send(&[open(2 * n + 1, "/echo", 0), data(2 * n + 1, b"x", 0), reset(2 * n + 1)].concat());
    }
    assert!(!machine.connection.is_over());
}

/// Windows of 15 bytes, as with `h2load -w 4 -W 4`: every frame of an answer makes its caller send two WINDOW_UPDATEs.
#[test]
fn small_windows_use_no_allowance() {
    let mut machine = Machine::new();
    machine.send(&settings(&[(INITIAL_WINDOW_SIZE, 15)]));
    let mut frames = machine.send(&call(1, "/sized/300000", b""));
    while !frames.iter().any(|frame| frame.is(HEADERS, 1) && frame.has(END_STREAM)) {
        let sent: usize = frames.iter().filter(|frame| frame.is(0, 1)).map(|frame| frame.payload.len()).sum();
        assert!(sent > 0 && !machine.connection.is_over(), "{frames:?}");
        frames = machine.send(&[window_update(0, sent as u32), window_update(1, sent as u32)].concat());
    }
}

#[test]
fn streams_above_the_limit_are_served_until_it_is_known() {
    let config = Config { max_streams: 10, ..Config::default() };
    let calls: Vec<_> = (0..100).flat_map(|n| call(2 * n + 1, "/wait", b"")).collect();
    let refused =
        |frames: &[crate::support::frames::Frame]| frames.iter().filter(|frame| frame.kind == RST_STREAM).count();

    let mut machine = Machine::silent(config.clone());
    let frames = machine.send(&[settings(&[]), calls.clone()].concat());
    assert_eq!((refused(&frames), machine.remote().live()), (0, 100));
    // from now on the limit applies
    let frames = machine.send(&[frame(SETTINGS, ACK, 0, &[]), call(201, "/echo", b"")].concat());
    assert_eq!(reset_code(&frames, 201), Some(ErrorCode::REFUSED_STREAM));
    machine.wake();
    let frames = machine.send(&call(203, "/echo", b""));
    assert_eq!(refused(&frames), 0);

    // a peer cannot postpone it forever
    let mut machine = Machine::silent(config.clone());
    machine.send(&settings(&[]));
    machine.pass(config.read_patience);
    assert_eq!(refused(&machine.send(&calls)), 90);

    let mut machine = Machine::with(config);
    assert_eq!(refused(&machine.send(&calls)), 90);
}

#[test]
fn header_blocks_in_many_parts_are_allowed() {
    let mut machine = Machine::new();
    let whole = block(&request("/echo", &[]));
    for n in 0..1_000 {
        let stream = 2 * n + 1;
        let mut parts: Vec<_> = whole.chunks(3).map(|part| frame(CONTINUATION, 0, stream, part)).collect();
        parts[0] = frame(HEADERS, END_STREAM, stream, &whole[..3]);
        parts.push(frame(CONTINUATION, END_HEADERS, stream, &[]));
        machine.send(&parts.concat());
    }
    assert_eq!(machine.handler().counts.answered, 1_000);
}
