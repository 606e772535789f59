//! Any frames, in any pieces and order, with time that passes and calls that are woken, on a connection of the crate
//! wire. Checks that nothing panics, that the output consists of frames that a server may send, that the memory kept is
//! bounded, and that a connection that ends has released everything.
#![no_main]
#![allow(dead_code)]

#[path = "../../../crates/wire/tests/http2/support/mod.rs"]
mod support;

use std::{sync::Arc, time::Duration};

use support::{
    frames::{END_HEADERS, Frame, block, frame, request, settings},
    machine::Machine,
};
use wire::{Config, HeldReplies};

/// The paths of the tests' handler.
const PATHS: [&str; 15] = [
    "/echo",
    "/wait",
    "/now",
    "/hold",
    "/late",
    "/sized/10",
    "/sized/20000",
    "/sized/70000",
    "/stream/40000",
    "/body/40000",
    "/duplex/40000",
    "/again",
    "/head",
    "/reset",
    "/broken",
];

const HELD: usize = 1 << 20;

fn check(machine: &mut Machine, frames: &[Frame]) {
    for frame in frames {
        let is_known = matches!((frame.kind, frame.stream), (0 | 1 | 3 | 9, 1..) | (4 | 6 | 7, 0) | (8, _));
        assert!(is_known && frame.payload.len() <= 16_384, "{frame:?}");
    }
    assert!(machine.config.held.used() <= HELD);
    if machine.connection.is_over() {
        assert_eq!((machine.remote().live(), machine.config.held.used()), (0, 0));
    } else {
        assert!(machine.input.len() < 9 + 16_384);
        assert!(machine.remote().live() <= 16_384);
    }
}

// The input is a sequence of steps: a kind, flags, a stream and a payload's length of one byte each, and the payload.
// By its kind a step sends a frame, a request by its path's number, or raw bytes, or something happens without input.
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [mode, calls, rest @ ..] = input else { return };
    let config = Config {
        max_streams: 20,
        stream_window: 65_535,
        connection_window: 65_535 << (mode & 3),
        max_field_list: 2_000,
        max_block: 20_000,
        held: Arc::new(HeldReplies::new(HELD)),
        ..Config::default()
    };
    let mut machine = Machine::silent(config);
    machine.calls = u32::from(*calls).max(1);
    if mode & 4 == 0 {
        machine.send(&settings(&[]));
    }
    let mut rest = rest;
    while let [kind, flags, stream, length, after @ ..] = rest {
        let payload;
        (payload, rest) = after.split_at(after.len().min(usize::from(*length)));
        let id = u32::from(*stream);
        let frames = match kind {
            // most kinds are frames, since connections end soon
            0..0x40 => machine.send(&frame(kind & 15, *flags, id, payload)),
            0x40..0x60 => {
                let fields = request(PATHS[usize::from(kind & 31) % PATHS.len()], &[]);
                machine.send(&frame(1, flags & 1 | END_HEADERS, id, &block(&fields)))
            }
            // DATA of some length
            0x60..0x70 => machine.send(&frame(0, *flags, id, &vec![0; payload.len() * 64])),
            // window updates and settings within their ranges
            0x70..0x78 => machine.send(&frame(8, 0, id, &[0, 0, *flags, *length])),
            0x78..0x80 => machine.send(&settings(&[(4, u32::from(*length) << (flags & 15))])),
            0x80..0x90 => machine.send(payload),
            0x90..0xa0 => machine.pass(Duration::from_millis(u64::from(*length) << (flags & 15))),
            0xa0..0xa8 => machine.wake(),
            0xa8 => machine.shut_down(),
            _ => continue,
        };
        check(&mut machine, &frames);
    }
    let frames = machine.wake();
    check(&mut machine, &frames);
    let frames = machine.pass(Duration::from_secs(1_000));
    check(&mut machine, &frames);
});
