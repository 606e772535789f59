//! Flow control of received data: no peer waits for credit that could be returned, and none is lost.

use wire::{Config, ErrorCode};

use crate::support::{
    frames::{DATA, END_STREAM, Frame, PADDED, WINDOW_UPDATE, call, data, frame, open, padded, reset},
    machine::{Machine, goaway, reset_code},
};

fn config(window: u32) -> Config {
    Config { stream_window: window, connection_window: window, ..Config::default() }
}

/// The sum of the WINDOW_UPDATE frames of a stream.
pub fn credit(frames: &[Frame], stream: u32) -> u32 {
    frames.iter().filter(|frame| frame.is(WINDOW_UPDATE, stream)).map(|frame| frame.number(0)).sum()
}

#[test]
fn more_than_a_window_is_an_error() {
    let chunk = [0; 16_384];
    let mut machine = Machine::with(config(65_535));
    let frames = machine.send(&[open(1, "/hold", 0), data(1, &chunk, 0).repeat(4)].concat());
    assert_eq!(goaway(&frames), Some(ErrorCode::FLOW_CONTROL_ERROR), "the connection's");

    let mut machine = Machine::with(Config { connection_window: 1 << 20, ..config(65_535) });
    let frames = machine.send(&[open(1, "/hold", 0), data(1, &chunk, 0).repeat(4)].concat());
    assert_eq!(reset_code(&frames, 1), Some(ErrorCode::FLOW_CONTROL_ERROR), "the stream's");
    assert!(!machine.connection.is_over());
}

/// 40 000 bytes are kept for a partial message, and 25 000 were returned by answered calls: less than half of the
/// window, but all that the partial message can get.
#[test]
fn a_partial_message_gets_the_rest_of_the_window() {
    let mut machine = Machine::with(config(65_535));
    let mut left = 65_535;
    let parts = [data(1, &[0; 10_000], 0).repeat(4), call(3, "/echo", &[0; 12_500]), call(5, "/echo", &[0; 12_500])];
    let frames = machine.send(&[open(1, "/echo", 0), parts.concat()].concat());
    left = left - 65_000 + credit(&frames, 0);
    // of the 25 535 bytes that are not held, it has at least half
    assert!(left >= 25_535 / 2, "{left}");
}

/// Bytes that remain charged after the end of a stream would be missing forever.
#[test]
fn every_end_of_a_stream_returns_its_credit() {
    let chunk = [7; 10_000];
    let ends = [
        ("answered", [open(1, "/echo", 0), data(1, &chunk, END_STREAM)].concat()),
        ("answered early", [open(1, "/now", 0), data(1, &chunk, 0), data(1, &chunk, END_STREAM)].concat()),
        ("reset by its caller", [open(1, "/hold", 0), data(1, &chunk, 0), reset(1)].concat()),
        ("reset by its handler", [open(1, "/reset", 0), data(1, &chunk, END_STREAM)].concat()),
        ("padded", [open(1, "/echo", 0), padded(1, &chunk, 255, END_STREAM)].concat()),
        ("a body that is too long", {
            let fields = crate::support::frames::request("/echo", &[("content-length", "10")]);
            let head = frame(1, 4, 1, &crate::support::frames::block(&fields));
            [head, padded(1, &chunk, 9, 0), data(1, &chunk, 0)].concat()
        }),
        ("data on a closed stream", [call(1, "/echo", &chunk), padded(1, &chunk, 3, 0)].concat()),
        ("refused", [frame(1, 4, 1, &[0x83]), data(1, &chunk, END_STREAM)].concat()),
        ("more than its window", {
            let head = open(1, "/hold", 0);
            [head, data(1, &[0; 16_384], 0).repeat(4), reset(1)].concat()
        }),
    ];
    for (what, bytes) in ends {
        let mut machine = Machine::with(Config { connection_window: 100_000, ..config(65_535) });
        let mut window = 100_000;
        let mut sent = |frames: &[Frame], bytes: usize| {
            window = window - bytes as u32 + credit(frames, 0);
            window
        };
        let frames = machine.send(&bytes);
        let charged = crate::support::frames::take_frames(&mut bytes.clone())
            .iter()
            .filter(|frame| frame.kind == DATA)
            .map(|frame| frame.payload.len())
            .sum();
        sent(&frames, charged);
        assert_eq!(machine.remote().live(), 0, "{what}");
        assert!(!machine.connection.is_over(), "{what}");
        // on a closed stream everything is returned immediately, including what was returned before
        machine.send(&call(3, "/echo", b""));
        let late = frame(DATA, PADDED, 3, &[0; 10_000]);
        let is_whole = (0..10).any(|_| {
            let frames = machine.send(&late);
            let window = sent(&frames, 10_000);
            assert!(window <= 100_000, "{what}: {window}");
            credit(&frames, 0) > 0 && window == 100_000
        });
        assert!(is_whole, "{what}");
    }
}

/// What arrives after the answer is discarded, and its client does not wait for a window.
#[test]
fn an_upload_that_was_answered_early_continues() {
    let mut machine = Machine::with(config(65_535));
    machine.send(&[open(1, "/now", 0), data(1, b"x", 0)].concat());
    let (mut stream, mut connection) = (65_534, 65_534);
    for _ in 0..100 {
        stream -= 16_384;
        connection -= 16_384;
        let frames = machine.send(&data(1, &[0; 16_384], 0));
        stream += credit(&frames, 1);
        connection += credit(&frames, 0);
        assert!(stream.min(connection) >= 16_384, "{stream} and {connection}");
    }
    machine.send(&data(1, b"", END_STREAM));
    assert!(machine.connection.is_idle());
}

/// The message is kept until it is complete, but its padding is not: a peer that pads can send all of it.
#[test]
fn padding_of_a_kept_message_is_returned() {
    let mut machine = Machine::with(Config { connection_window: 1 << 20, ..config(65_535) });
    machine.send(&open(1, "/echo", 0));
    let mut left = 65_535;
    for _ in 0..60 {
        left -= 1256;
        assert!(left >= 0, "the peer has to stop");
        left += i64::from(credit(&machine.send(&padded(1, &[0; 1000], 255, 0)), 1));
    }
    let frames = machine.send(&data(1, b"", END_STREAM));
    assert_eq!(frames.iter().filter(|frame| frame.is(DATA, 1)).map(|frame| frame.payload.len()).sum::<usize>(), 60_000);
}
