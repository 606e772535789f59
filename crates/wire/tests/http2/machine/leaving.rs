//! The graceful end (RFC 9113, section 6.8).

use std::time::Duration;

use wire::ErrorCode;

use crate::support::{
    frames::{ACK, DATA, END_STREAM, Frame, GOAWAY, PING, call, data, frame, open, ping, reset},
    machine::{Machine, goaway, reset_code},
};

/// The last stream id in each GOAWAY.
fn lasts(frames: &[Frame]) -> Vec<u32> {
    frames.iter().filter(|frame| frame.kind == GOAWAY).map(|frame| frame.number(0)).collect()
}

/// The acknowledgement of the PING among these frames.
fn acknowledge(frames: &[Frame]) -> Vec<u8> {
    let ping = frames.iter().find(|frame| frame.is(PING, 0)).expect("a PING");
    frame(PING, ACK, 0, &ping.payload)
}

#[test]
fn a_warning_then_the_last_stream_then_the_end() {
    let mut machine = Machine::new();
    machine.send(&call(1, "/wait", b"one"));
    let warning = machine.shut_down();
    assert_eq!(lasts(&warning), [0x7fff_ffff]);
    assert!(machine.shut_down().is_empty(), "once");
    // what the peer sent before it knew is served
    let frames = machine.send(&call(3, "/echo", b"two"));
    assert!(frames.iter().any(|frame| frame.is(DATA, 3)), "{frames:?}");
    machine.send(&open(5, "/echo", 0));
    assert_eq!(machine.send(&ping(b"not that")).len(), 1);
    let frames = machine.send(&acknowledge(&warning));
    assert_eq!(lasts(&frames), [5]);
    // later streams are not, and earlier ones continue
    let frames = machine.send(&call(7, "/echo", b"four"));
    assert_eq!(reset_code(&frames, 7), Some(ErrorCode::REFUSED_STREAM));
    let frames = machine.send(&data(5, b"three", END_STREAM));
    assert!(frames.iter().any(|frame| frame.is(DATA, 5)), "{frames:?}");
    assert!(!machine.connection.is_over());
    let frames = machine.wake();
    assert!(frames.iter().any(|frame| frame.is(DATA, 1)), "{frames:?}");
    assert!(machine.connection.is_over());
}

#[test]
fn the_acknowledgement_is_waited_for_until_the_given_time() {
    for patience in [1000, 5000] {
        let mut machine = Machine::new();
        machine.shut_down_within(Duration::from_millis(patience));
        machine.send(&call(1, "/wait", b"one"));
        assert!(machine.pass(Duration::from_millis(patience - 1)).is_empty());
        assert_eq!(lasts(&machine.pass(Duration::from_millis(1))), [1]);
        assert!(!machine.connection.is_over());
        machine.send(&reset(1));
        assert!(machine.connection.is_over());
    }
}

#[test]
fn the_wait_can_be_shortened_but_not_prolonged() {
    for (then, due) in [(2000, 3000), (60_000, 10_000)] {
        let mut machine = Machine::new();
        machine.send(&call(1, "/wait", b"one"));
        machine.shut_down_within(Duration::from_millis(10_000));
        machine.pass(Duration::from_millis(1000));
        assert!(machine.shut_down_within(Duration::from_millis(then)).is_empty());
        assert!(machine.pass(Duration::from_millis(due - 1001)).is_empty());
        assert_eq!(lasts(&machine.pass(Duration::from_millis(1))), [1]);
    }
}

#[test]
fn a_connection_without_streams_ends_with_the_acknowledgement() {
    let mut machine = Machine::new();
    machine.send(&call(1, "/echo", b"one"));
    let warning = machine.shut_down();
    assert!(!machine.connection.is_over());
    assert_eq!(lasts(&machine.send(&acknowledge(&warning))), [1]);
    assert!(machine.connection.is_over());
    assert_eq!(machine.connection.deadline(), None);
}

#[test]
fn every_way_to_close_the_last_stream_ends_the_connection() {
    let ways = [
        ("an answer", "/wait", 0),
        ("a reset by the peer", "/hold", 1),
        ("an answer before the request's end, and that", "/now", 2),
        ("an error of the stream", "/hold", 3),
        ("its deadline", "/hold", 4),
        ("an answer that was held", "/sized/70000", 5),
    ];
    for (what, path, way) in ways {
        let mut machine = Machine::new();
        machine.send(&open(1, path, 0));
        if matches!(way, 0 | 2 | 5) {
            machine.send(&data(1, b"x", if way == 2 { 0 } else { END_STREAM }));
        }
        let warning = machine.shut_down();
        machine.send(&acknowledge(&warning));
        assert!(!machine.connection.is_over(), "{what}");
        let updates = |size| crate::support::frames::window_update(size, 10_000);
        match way {
            0 => machine.wake(),
            1 => machine.send(&reset(1)),
            2 => machine.send(&data(1, b"y", END_STREAM)),
            3 => machine.send(&crate::support::frames::window_update(1, 0)),
            4 => machine.pass(Duration::from_secs(61)),
            _ => machine.send(&[updates(0), updates(1)].concat()),
        };
        assert!(machine.connection.is_over(), "{what}");
    }
}

#[test]
fn the_last_stream_never_grows_again() {
    let mut machine = Machine::new();
    machine.send(&call(1, "/wait", b"one"));
    let warning = machine.shut_down();
    machine.send(&[acknowledge(&warning), call(3, "/echo", b"refused")].concat());
    let frames = machine.send(&frame(PING, 0, 0, &[]));
    assert_eq!((goaway(&frames), lasts(&frames)), (Some(ErrorCode::FRAME_SIZE_ERROR), vec![1]));
}
