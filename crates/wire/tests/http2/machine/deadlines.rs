//! Deadlines for what a peer has begun and does not complete, and for what it does not take.

use std::{sync::Arc, time::Duration};

use wire::{Config, ErrorCode, Event, HeldReplies};

use crate::support::{
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, call, data, frame, open, settings,
        window_update,
    },
    handler::{Call, PATIENCE},
    machine::{Machine, goaway, reset_code},
};

const SECOND: Duration = Duration::from_secs(1);

fn stalled() -> Machine {
    let mut machine = Machine::new();
    machine.send(&settings(&[(INITIAL_WINDOW_SIZE, 0)]));
    machine
}

#[test]
fn a_header_block_ends_in_time() {
    let mut machine = Machine::new();
    machine.send(&frame(HEADERS, END_STREAM, 1, b"\x83\x86"));
    machine.pass(SECOND * 9);
    assert!(machine.send(&frame(CONTINUATION, 0, 1, b"\x84")).is_empty());
    assert!(!machine.connection.is_over());
    assert_eq!(goaway(&machine.pass(SECOND)), Some(ErrorCode::ENHANCE_YOUR_CALM));

    let mut machine = Machine::new();
    machine.send(&frame(HEADERS, END_STREAM, 1, b"\x83\x86"));
    machine.pass(SECOND * 9);
    assert!(!machine.send(&frame(CONTINUATION, END_HEADERS, 1, b"\x84")).is_empty());
    assert_eq!(machine.connection.deadline(), None);
}

#[test]
fn a_request_ends_in_time() {
    let mut machine = Machine::new();
    machine.send(&[open(1, "/hold", 0), open(3, "/late", 0), call(5, "/wait", b"")].concat());
    machine.pass(SECOND);
    machine.send(&[open(7, "/hold", 0), data(7, b"x", 0)].concat());
    assert!(machine.pass(PATIENCE - SECOND * 2).is_empty());
    let frames = machine.pass(SECOND);
    assert_eq!(reset_code(&frames, 1), Some(ErrorCode::CANCEL));
    assert!(frames.iter().any(|frame| frame.is(HEADERS, 3) && frame.has(END_STREAM)), "{frames:?}");
    assert_eq!((reset_code(&frames, 3), reset_code(&frames, 7)), (None, None));
    assert_eq!(reset_code(&machine.pass(SECOND), 7), Some(ErrorCode::CANCEL));
    // the request that was answered has a little longer to end
    assert_eq!(reset_code(&machine.pass(SECOND * 9), 3), Some(ErrorCode::CANCEL));
    assert_eq!(
        (machine.remote().live(), machine.connection.deadline()),
        (1, None),
        "the call that waits has no deadline"
    );
}

#[test]
fn a_request_that_is_answered_early_ends_in_time() {
    let mut machine = Machine::new();
    // another one may take longer
    machine.send(&[open(1, "/hold", 0), open(3, "/now", 0), data(3, b"x", 0)].concat());
    assert!(machine.pass(SECOND * 9).is_empty());
    machine.send(&data(3, b"more", 0));
    let frames = machine.pass(SECOND);
    assert_eq!((reset_code(&frames, 1), reset_code(&frames, 3)), (None, Some(ErrorCode::CANCEL)));
}

#[test]
fn an_answer_that_is_not_taken_is_dropped_and_the_connection_continues() {
    let mut machine = stalled();
    machine.send(&call(1, "/sized/100", b""));
    machine.pass(SECOND * 10);
    machine.send(&call(3, "/sized/100", b""));
    let frames = machine.pass(SECOND * 20);
    assert_eq!((reset_code(&frames, 1), reset_code(&frames, 3)), (Some(ErrorCode::CANCEL), None));
    let frames = machine.send(&window_update(3, 100));
    assert!(frames.iter().any(|frame| frame.is(HEADERS, 3) && frame.has(END_STREAM)), "{frames:?}");
    assert_eq!((machine.config.held.used(), machine.connection.deadline()), (0, None));
}

#[test]
fn a_connection_that_takes_nothing_is_closed() {
    let mut machine = Machine::new();
    machine.send(&call(1, "/sized/65535", b""));
    machine.send(&call(3, "/sized/1", b""));
    let frames = machine.pass(SECOND * 30);
    assert_eq!(goaway(&frames), Some(ErrorCode::ENHANCE_YOUR_CALM));
    assert!(matches!(machine.remote().events()[..], [Event::TooSlow { .. }]));
    assert_eq!(machine.config.held.used(), 0);
}

/// A byte now and then is no progress, but a KiB is.
#[test]
fn an_answer_must_be_taken_at_a_minimum_rate() {
    for (taken, is_kept) in [(1, false), (1024, true)] {
        let mut machine = stalled();
        machine.send(&call(1, "/sized/10000", b""));
        for _ in 0..3 {
            machine.pass(SECOND * 20);
            machine.send(&window_update(1, taken));
        }
        assert_eq!(machine.config.held.used() > 0, is_kept, "{taken}");
    }
}

#[test]
fn a_held_answer_outlasts_its_request() {
    let mut machine = stalled();
    machine.send(&[open(1, "/now", 0), data(1, &[7; 3000], 0)].concat());
    for _ in 0..10 {
        // two thirds of the patience with answers, which in the end exceeds the patience with requests
        machine.pass(SECOND * 20);
        let frames = machine.send(&window_update(1, 1024));
        if frames.iter().any(|frame| frame.is(HEADERS, 1) && frame.has(END_STREAM)) {
            let frames = machine.pass(SECOND * 10);
            return assert_eq!(reset_code(&frames, 1), Some(ErrorCode::CANCEL), "its request does not end");
        }
        assert_eq!(reset_code(&frames, 1), None);
    }
    panic!("the answer has no end");
}

#[test]
fn held_answers_are_limited_for_all_and_for_each_connection() {
    let held = Arc::new(HeldReplies::new(92_000));
    let config = || Config { held: Arc::clone(&held), ..Config::default() };
    let mut others: Vec<_> = (0..8).map(|_| Machine::with(config())).collect();
    for other in &mut others {
        other.send(&[settings(&[(INITIAL_WINDOW_SIZE, 0)]), call(1, "/sized/9800", b"")].concat());
        assert!(!other.connection.is_over());
    }
    // a connection that holds as much as one may is closed
    let frames = others[0].send(&call(3, "/sized/9800", b""));
    assert_eq!(goaway(&frames), Some(ErrorCode::ENHANCE_YOUR_CALM));
    let mut machine = Machine::with(config());
    machine.send(&settings(&[(INITIAL_WINDOW_SIZE, 0)]));
    machine.send(&call(1, "/sized/9800", b""));
    assert!(held.used() > 70_000);
    // an answer that finds no memory left is lost alone
    let mut machine = Machine::with(config());
    machine.send(&settings(&[(INITIAL_WINDOW_SIZE, 10)]));
    let frames = machine.send(&[call(1, "/sized/9800", b""), call(3, "/sized/10", b"")].concat());
    assert_eq!(reset_code(&frames, 1), Some(ErrorCode::ENHANCE_YOUR_CALM));
    assert!(frames.iter().any(|frame| frame.is(DATA, 3)) && !machine.connection.is_over());
    drop((others, machine));
}

#[test]
fn a_held_answer_counts_together_with_its_stream() {
    const CALLS: u32 = 100;
    let mut machine = stalled();
    for call_number in 0..CALLS {
        machine.send(&call(2 * call_number + 1, "/sized/1", b""));
    }
    let least = 2 * CALLS as usize * size_of::<Call>();
    assert!(machine.config.held.used() > least, "{} bytes, and the streams take {least}", machine.config.held.used());
}

/// The same for a reply that is written as there is room for it, of which nothing is held.
#[test]
fn an_incomplete_reply_must_be_taken_at_a_minimum_rate() {
    for (taken, is_kept) in [(0, false), (1, false), (600, true), (1024, true)] {
        let mut machine = stalled();
        machine.send(&[call(1, "/stream/10000", b""), call(3, "/wait", b"")].concat());
        for _ in 0..5 {
            let mut frames = machine.pass(SECOND * 12);
            if taken > 0 && reset_code(&frames, 1).is_none() {
                frames.append(&mut machine.send(&window_update(1, taken)));
            }
            assert_eq!(reset_code(&frames, 3), None, "a call that waits for something else has its time");
        }
        let live = machine.remote().live();
        assert_eq!(live == 2, is_kept, "{taken} bytes every twelve seconds");
        assert_eq!(machine.connection.deadline().is_some(), is_kept, "{taken}");
        if is_kept {
            machine.send(&window_update(1, 20_000));
            assert_eq!((machine.remote().live(), machine.handler().counts.answered), (1, 1));
        }
        machine.pass(SECOND * 100);
        assert_eq!((machine.remote().live(), machine.connection.deadline()), (1, None));
    }
}

#[test]
fn a_connection_without_room_for_its_incomplete_replies_is_closed() {
    let mut machine = Machine::new();
    machine.send(&call(1, "/stream/70000", b""));
    assert!(machine.pass(SECOND * 29).is_empty());
    assert_eq!(goaway(&machine.pass(SECOND)), Some(ErrorCode::ENHANCE_YOUR_CALM));
    assert_eq!((machine.remote().live(), machine.connection.deadline()), (0, None));
}
