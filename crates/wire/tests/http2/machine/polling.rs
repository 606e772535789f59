//! Which of the waiting calls are polled, and when.

use crate::support::{
    frames::{DATA, END_STREAM, INITIAL_WINDOW_SIZE, call, data, open, reset, settings, window_update},
    machine::Machine,
};

fn polled(machine: &mut Machine, bytes: &[u8]) -> usize {
    let before = machine.handler().counts.polled;
    machine.send(bytes);
    machine.handler().counts.polled - before
}

fn waiting(number: u32) -> Machine {
    let mut machine = Machine::new();
    let calls: Vec<_> = (0..number).flat_map(|n| call(2 * n + 1, "/wait", b"")).collect();
    assert_eq!(polled(&mut machine, &calls), number as usize);
    machine
}

/// A thousand calls that wait for a store must not be polled for each new call, nor for each WINDOW_UPDATE.
#[test]
fn only_calls_that_can_continue_are_polled() {
    let mut machine = waiting(500);
    assert_eq!(polled(&mut machine, &call(2001, "/echo", b"")), 0);
    assert_eq!(polled(&mut machine, &call(2003, "/wait", b"")), 1);
    assert_eq!(polled(&mut machine, &window_update(0, 1)), 0);
    assert_eq!(polled(&mut machine, &window_update(1, 1)), 0);
    assert_eq!(polled(&mut machine, &settings(&[(INITIAL_WINDOW_SIZE, 10)])), 0);
    // this one has no room
    assert_eq!(polled(&mut machine, &call(2005, "/body/100", b"")), 1);
    assert_eq!(polled(&mut machine, &window_update(2005, 10)), 1);
    assert_eq!(polled(&mut machine, &window_update(1, 10)), 0);
    machine.wake();
    assert_eq!(machine.remote().live(), 1);
    assert_eq!(polled(&mut machine, &window_update(2005, 100)), 1);
    assert!(machine.connection.is_idle());
}

#[test]
fn waiting_calls_are_answered_although_others_are_reset() {
    for step in 1..7 {
        let mut machine = waiting(300);
        for n in (0..300).step_by(step) {
            machine.send(&reset(2 * n + 1));
            machine.send(&call(1001 + 2 * n, "/wait", b""));
        }
        let expected = machine.remote().live();
        let frames = machine.wake();
        let ended = frames.iter().filter(|frame| frame.kind == 1 && frame.has(1)).count();
        assert_eq!((ended, machine.connection.is_idle()), (expected, true));
    }
}

/// Data of its request does not make a call forget that it waits for room.
#[test]
fn a_call_waits_for_room_while_its_request_continues() {
    let mut machine = Machine::new();
    machine.send(&settings(&[(INITIAL_WINDOW_SIZE, 10)]));
    assert_eq!(polled(&mut machine, &[open(1, "/duplex/20", 0), data(1, b"a", 0)].concat()), 1);
    assert_eq!(polled(&mut machine, &data(1, b"b", 0)), 1);
    let frames = machine.send(&window_update(1, 10));
    assert!(frames.iter().any(|frame| frame.is(DATA, 1) && frame.payload.len() == 10), "{frames:?}");
}

#[test]
fn a_call_that_waits_again_is_polled_again() {
    let mut machine = Machine::new();
    assert_eq!(polled(&mut machine, &[open(1, "/again", 0), data(1, b"a", 0)].concat()), 1);
    // it stops waiting, and waits again before anything else happens
    assert_eq!(polled(&mut machine, &[data(1, b"b", 0), data(1, b"c", 0)].concat()), 1);
    machine.wake();
    assert_eq!(machine.handler().counts.answered, 1);
}

/// The waker that it has may not be that of what it waits for now.
#[test]
fn a_waiting_call_is_polled_again_when_more_of_its_request_arrives() {
    let mut machine = Machine::new();
    assert_eq!(polled(&mut machine, &[open(1, "/each", 0), data(1, b"a", 0)].concat()), 1);
    assert_eq!(polled(&mut machine, &data(1, b"b", 0)), 1);
    assert_eq!(polled(&mut machine, &data(1, b"c", END_STREAM)), 1);
    machine.wake();
    assert_eq!(machine.handler().counts.answered, 1);
}

/// The streams at the start of the queue must not get all of a window that is opened bit by bit.
#[test]
fn endless_replies_take_turns_at_the_window_of_the_connection() {
    let mut machine = Machine::new();
    machine.send(&settings(&[(INITIAL_WINDOW_SIZE, 1 << 30)]));
    let mut sent = [0; 4];
    let calls: Vec<_> = (0..4).flat_map(|n| call(2 * n + 1, "/stream/600000", b"")).collect();
    let mut frames = machine.send(&calls);
    for increment in [32_768, 100, 16_384, 20_000, 1].repeat(20) {
        for frame in frames.iter().filter(|frame| frame.kind == DATA) {
            sent[(frame.stream / 2) as usize] += frame.payload.len();
        }
        frames = machine.send(&window_update(0, increment));
    }
    let (most, least) = (sent.iter().max(), sent.iter().min());
    assert!(most.zip(least).is_some_and(|(most, least)| most / 2 <= *least), "{sent:?}");
}
