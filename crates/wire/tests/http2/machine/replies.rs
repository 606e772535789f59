//! Replies: their frames, and what waits for windows.

use crate::support::{
    frames::{
        DATA, END_HEADERS, END_STREAM, Frame, HEADERS, INITIAL_WINDOW_SIZE, call, open, reset, settings, window_update,
    },
    handler::pattern,
    machine::{Machine, reset_code},
};

/// The content of a stream's DATA frames.
pub fn content(frames: &[Frame], stream: u32) -> Vec<u8> {
    frames.iter().filter(|frame| frame.is(DATA, stream)).flat_map(|frame| frame.payload.iter().copied()).collect()
}

/// Whether the stream was ended.
pub fn is_ended(frames: &[Frame], stream: u32) -> bool {
    frames.iter().any(|frame| frame.stream == stream && frame.has(END_STREAM) && matches!(frame.kind, DATA | HEADERS))
}

/// Asserts that the stream was ended after `size` bytes of the pattern.
fn assert_whole(frames: &[Frame], stream: u32, size: usize) {
    let content = content(frames, stream);
    assert!(is_ended(frames, stream), "stream {stream} is not ended after {} bytes", content.len());
    assert_eq!(content.len(), size, "stream {stream}");
    assert!(content.iter().enumerate().all(|(at, byte)| *byte == pattern(at)), "stream {stream}");
}

#[test]
fn an_answer_is_three_frames() {
    let mut machine = Machine::new();
    let frames = machine.send(&call(1, "/echo", b"hello"));
    let [head, data, trailers] = &frames[..] else { panic!("{frames:?}") };
    assert!(head.is(HEADERS, 1) && head.flags == END_HEADERS, "{head:?}");
    assert!(data.is(DATA, 1) && data.flags == 0 && data.payload == b"hello", "{data:?}");
    assert!(trailers.is(HEADERS, 1) && trailers.flags == END_HEADERS | END_STREAM, "{trailers:?}");
    assert!(machine.connection.is_idle());
}

#[test]
fn a_head_only_reply_is_one_frame() {
    let mut machine = Machine::new();
    let frames = machine.send(&open(1, "/head", END_STREAM));
    assert_eq!(frames.len(), 1, "{frames:?}");
    assert!(frames[0].is(HEADERS, 1) && frames[0].flags == END_HEADERS | END_STREAM);
}

#[test]
fn an_answer_waits_only_for_its_own_caller() {
    let mut machine = Machine::new();
    assert!(machine.send(&call(1, "/wait", b"first")).is_empty());
    let frames = machine.send(&call(3, "/echo", b"second"));
    assert_eq!((content(&frames, 3), is_ended(&frames, 3)), (b"second".to_vec(), true));
    let frames = machine.wake();
    assert_eq!((content(&frames, 1), is_ended(&frames, 1)), (b"first".to_vec(), true));
    assert!(machine.connection.is_idle());
}

/// As much as the windows admit is sent without another event, however it is written.
#[test]
fn a_long_answer_continues_as_long_as_there_is_room() {
    for path in ["/sized/60000", "/stream/60000", "/body/60000"] {
        let mut machine = Machine::new();
        let frames = machine.send(&call(1, path, b""));
        assert_whole(&frames, 1, 60_000);
    }
}

#[test]
fn long_answers_take_turns() {
    let mut machine = Machine::new();
    let calls = [call(1, "/sized/30000", b""), call(3, "/sized/30000", b"")].concat();
    let frames = machine.send(&calls);
    let first_end = frames.iter().position(|frame| frame.is(HEADERS, 1) && frame.has(END_STREAM)).expect("it ends");
    let other_begin = frames.iter().position(|frame| frame.is(DATA, 3)).expect("it begins");
    assert!(other_begin < first_end, "{frames:?}");
    for stream in [1, 3] {
        assert_whole(&frames, stream, 30_000);
    }
}

#[test]
fn windows_of_one_byte_deliver_the_whole_answer() {
    for path in ["/sized/100", "/stream/100", "/body/100"] {
        let mut machine = Machine::new();
        machine.send(&settings(&[(INITIAL_WINDOW_SIZE, 0)]));
        let mut frames = machine.send(&call(1, path, b""));
        while !is_ended(&frames, 1) {
            let more = machine.send(&window_update(1, 1));
            let sent: usize = more.iter().filter(|frame| frame.kind == DATA).map(|frame| frame.payload.len()).sum();
            assert_eq!(sent, 1, "{path}: {more:?}");
            frames.extend(more);
        }
        assert_whole(&frames, 1, 100);
        assert!(machine.connection.is_idle() && machine.config.held.used() == 0);
    }
}

#[test]
fn a_window_below_zero_admits_nothing_until_it_is_positive() {
    let mut machine = Machine::new();
    let sent = content(&machine.send(&call(1, "/sized/70000", b"")), 1).len();
    assert_eq!(sent, 65_535);
    machine.send(&window_update(0, 100_000));
    // the stream's window is 0, and becomes -65535, then -1, then 0, then 10
    assert!(content(&machine.send(&settings(&[(INITIAL_WINDOW_SIZE, 0)])), 1).is_empty());
    assert!(content(&machine.send(&window_update(1, 65_534)), 1).is_empty());
    assert!(content(&machine.send(&window_update(1, 1)), 1).is_empty());
    assert_eq!(content(&machine.send(&settings(&[(INITIAL_WINDOW_SIZE, 10)])), 1).len(), 10);
    let frames = machine.send(&window_update(1, 10_000));
    assert_eq!((content(&frames, 1).len(), is_ended(&frames, 1)), (70_000 - 65_535 - 10, true));
}

#[test]
fn the_connections_window_is_shared_and_returned_by_all() {
    let mut machine = Machine::new();
    let calls: Vec<_> = (0..10).flat_map(|n| call(2 * n + 1, "/sized/10000", b"")).collect();
    let mut frames = machine.send(&calls);
    let data = |frames: &[Frame]| -> usize { (0..10).map(|n| content(frames, 2 * n + 1).len()).sum() };
    assert_eq!(data(&frames), 65_535);
    frames.extend(machine.send(&window_update(0, 100_000)));
    for n in 0..10 {
        assert_whole(&frames, 2 * n + 1, 10_000);
    }
}

#[test]
fn bytes_held_by_a_reset_or_ended_stream_are_released() {
    let mut machine = Machine::new();
    machine.send(&settings(&[(INITIAL_WINDOW_SIZE, 0)]));
    machine.send(&[call(1, "/sized/1000", b""), call(3, "/sized/1000", b"")].concat());
    let used = machine.config.held.used();
    assert!(used >= 2000, "{used}");
    machine.send(&reset(1));
    assert!(machine.config.held.used() < used && machine.config.held.used() >= 1000);
    machine.send(&window_update(3, 1000));
    assert_eq!(machine.config.held.used(), 0);
    // and by a connection that ends, immediately
    machine.send(&call(5, "/sized/1000", b""));
    assert!(machine.config.held.used() >= 1000);
    machine.send(&window_update(2, 1));
    assert!(machine.connection.is_over());
    assert_eq!((machine.config.held.used(), machine.connection.deadline()), (0, None));
}

#[test]
fn a_call_without_an_answer_is_reset() {
    let mut machine = Machine::new();
    let frames = machine.send(&call(1, "/broken", b""));
    assert_eq!(reset_code(&frames, 1), Some(wire::ErrorCode::INTERNAL_ERROR));
    let frames = machine.send(&call(3, "/reset", b""));
    assert_eq!(reset_code(&frames, 3), Some(wire::ErrorCode::CANCEL));
    assert_eq!(machine.remote().live(), 0);
}

/// What it held was not counted yet, and must not be subtracted.
#[test]
fn a_reply_that_is_reset_before_it_is_complete_releases_nothing() {
    let mut machine = Machine::new();
    machine.send(&settings(&[(INITIAL_WINDOW_SIZE, 0)]));
    machine.send(&call(1, "/sized/1000", b""));
    let used = machine.config.held.used();
    let frames = machine.send(&call(3, "/torn/500", b""));
    assert_eq!((reset_code(&frames, 3), machine.config.held.used()), (Some(wire::ErrorCode::CANCEL), used));
}
