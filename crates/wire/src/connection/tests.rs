//! Counts the streams that the connection looks at for the frames of a peer.

use std::{
    sync::Arc,
    task::{Context, Waker},
    time::Instant,
};

use super::{Connection, Scratch, Turn};
use crate::{
    Block, Config, ErrorCode, Event, Handler, Head, Opened, Progress, Reply,
    frame::{self, flag, kind},
};

/// The length of each reply.
const LENGTH: usize = 2_000;

/// Answers each call immediately, or whenever there is room.
struct Replies {
    head: Block,
    at_once: bool,
}

impl Handler for Replies {
    /// The number of bytes sent.
    type Call = usize;

    fn open(&mut self, _: &Head<'_>, _: Instant) -> Opened<usize> {
        Opened { call: 0, until: None, is_waiting: false }
    }

    fn data(&mut self, sent: &mut usize, _: &[u8], _: bool, reply: &mut Reply<'_>) -> Progress {
        if self.at_once {
            let mut draft = reply.draft(&self.head);
            draft.out().extend_from_slice(&[7; LENGTH]);
            draft.send(&self.head);
            return Progress::Done;
        }
        *sent += reply.data(&[7; LENGTH][*sent..], true);
        if *sent < LENGTH { Progress::Waiting } else { Progress::Done }
    }

    fn poll(&mut self, sent: &mut usize, _: &mut Context<'_>, reply: &mut Reply<'_>) -> Progress {
        self.data(sent, &[], true, reply)
    }

    fn expire(&mut self, _: &mut usize, _: &mut Reply<'_>) -> Progress {
        Progress::Done
    }

    fn report(&mut self, _: Event) {}
}

/// A connection whose peer has begun this many calls, with this initial window for each.
fn connection(at_once: bool, calls: u32, initial_window: u32) -> Connection<Replies> {
    let handler = Replies { head: Block::new([(&b":status"[..], &b"200"[..])]), at_once };
    let mut connection = Connection::new(handler, Arc::new(Config::default()), Instant::now());
    let mut input = Vec::new();
    let initial_window = [&[0, 4], &initial_window.to_be_bytes()[..]].concat();
    frame::put(kind::SETTINGS, 0, 0, &initial_window, &mut input);
    frame::put(kind::SETTINGS, flag::ACK, 0, &[], &mut input);
    for n in 0..calls {
        frame::put(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 2 * n + 1, &[0x83, 0x86, 0x84], &mut input);
    }
    visits(&mut connection, &input);
    assert_eq!(visits(&mut connection, &[]), 0, "nothing is left to do");
    connection
}

fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::put_window_update(stream, increment, &mut bytes);
    bytes
}

/// The number of streams that are looked at for these bytes.
fn visits(connection: &mut Connection<Replies>, mut input: &[u8]) -> usize {
    let (mut scratch, before) = (Scratch::default(), connection.queue.visits);
    loop {
        let mut out = Vec::new();
        let mut turn = Turn { now: Instant::now(), out: &mut out, scratch: &mut scratch, calls: 100 };
        let done = connection.receive(input, &mut turn);
        input = &input[done..];
        if connection.wants_poll() {
            connection.proceed(&mut Context::from_waker(Waker::noop()), &mut turn);
        }
        if done == 0 && out.is_empty() && !connection.wants_poll() {
            assert!(!connection.is_over() && input.is_empty());
            return connection.queue.visits - before;
        }
    }
}

#[test]
fn a_small_window_of_the_connection_makes_it_look_at_few_streams() {
    for at_once in [true, false] {
        // 32 replies have used up the connection's window
        let mut connection = connection(at_once, 1000, 65_535);
        for increment in [1, 1, 1, 500, 1, 3000] {
            let visits = visits(&mut connection, &window_update(0, increment));
            assert!((1..=3).contains(&visits), "{increment} bytes, {visits} streams");
        }
    }
}

#[test]
fn a_window_of_a_stream_makes_it_look_at_that_stream() {
    for at_once in [true, false] {
        let mut connection = connection(at_once, 1000, 0);
        for stream in [1, 1, 999, 1999] {
            assert_eq!(visits(&mut connection, &window_update(stream, 1)), 1, "{stream}");
        }
        // streams without a window of their own do not wait for that of the connection
        assert_eq!(visits(&mut connection, &window_update(0, 1)), 0);
        assert_eq!(visits(&mut connection, &window_update(1999, 10_000)), 1);
        assert_eq!(visits(&mut connection, &window_update(1999, 10_000)), 0);
    }
}

#[test]
fn every_reply_is_sent_eventually() {
    for at_once in [true, false] {
        let mut connection = connection(at_once, 200, 10);
        for n in 0..200 {
            visits(&mut connection, &window_update(2 * n + 1, 3_000));
        }
        while !connection.is_idle() {
            assert!(visits(&mut connection, &window_update(0, 777)) > 0);
        }
    }
}

/// A peer that raises the windows of its calls by SETTINGS, resets the calls, and begins again.
#[test]
fn settings_do_not_make_the_queue_keep_closed_streams() {
    // these replies have used up the connection's window
    let mut connection = connection(true, 100, 65_535);
    for round in 1..50 {
        let settings = |window: u32, input: &mut Vec<u8>| {
            frame::put(kind::SETTINGS, 0, 0, &[&[0, 4], &window.to_be_bytes()[..]].concat(), input);
        };
        let ids = (0..100).map(|n| 2 * (100 * round + n) + 1);
        let mut input = Vec::new();
        settings(0, &mut input);
        for id in ids.clone() {
            frame::put(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, id, &[0x83, 0x86, 0x84], &mut input);
        }
        settings(1, &mut input);
        ids.for_each(|id| frame::put_reset(id, ErrorCode::CANCEL, &mut input));
        visits(&mut connection, &input);
        assert!(connection.queue.memory() <= 1024, "{}", connection.queue.memory());
    }
}

/// A literal field that is added to the dynamic table.
fn indexed(name: &str, value: &str) -> Vec<u8> {
    [&[0x40, name.len() as u8][..], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat()
}

/// A connection that has served a hundred calls of a proxy; with `is_traced`, a field differs in each call.
fn idle(is_traced: bool) -> Connection<Replies> {
    let mut connection = connection(true, 0, 65_535);
    for n in 0..100 {
        let mut block = b"\x83\x86\x04\x0e/service/check".to_vec();
        if n == 0 {
            for (name, value) in [
                (":authority", "ratelimit"),
                ("te", "trailers"),
                ("grpc-timeout", "20m"),
                ("content-type", "application/grpc"),
                ("x-envoy-internal", "true"),
                ("x-forwarded-for", "10.123.42.17"),
            ] {
                block.extend(indexed(name, value));
            }
        }
        if is_traced {
            block.extend(indexed("traceparent", &format!("00-4bf92f3577b34da6a3ce929d0e0e{n:04}-00f067aa0ba902b7-01")));
        }
        let mut input = window_update(0, LENGTH as u32);
        frame::put(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 2 * n + 1, &block, &mut input);
        visits(&mut connection, &input);
    }
    assert!(connection.is_idle());
    connection
}

#[test]
fn an_idle_connection_has_little_memory() {
    assert!(size_of::<Connection<Replies>>() <= 600, "{}", size_of::<Connection<Replies>>());
    for (is_traced, fields) in [(false, 311), (true, 4018)] {
        let connection = idle(is_traced);
        let table = connection.decoder.memory();
        assert!(table <= fields, "{table} bytes for fields of {fields}");
        assert_eq!((connection.streams.memory(), connection.queue.memory(), connection.closed.memory()), (0, 0, 0));
    }
}
