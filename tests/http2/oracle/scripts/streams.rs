//! Stream ids, and frames on streams that are idle, half-closed or closed.

use crate::oracle::script::{Script, block, fields, good, headers, last, message, more, open, pair};
use testkit::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, WINDOW_UPDATE, frame};

pub fn scripts() -> Vec<Script> {
    [numbers(), idle(), half_closed(), closed(), reset()].concat()
}

fn code(code: u32) -> [u8; 4] {
    code.to_be_bytes()
}

fn about(name: &str, bytes: Vec<u8>) -> Script {
    Script::about_the_connection(name, bytes)
}

fn numbers() -> Vec<Script> {
    let reserved = {
        let mut call = good(1);
        call[5] |= 0x80;
        call
    };
    let block = block(&fields());
    vec![
        about("a call on an even stream", good(2)),
        about("HEADERS on the connection", frame(HEADERS, END_HEADERS, 0, &block)),
        about("DATA on the connection", more(0, b"x")),
        Script::new("streams that are left out", [good(1), good(9), good(1001)].concat()).and([9, 1001]),
        Script::new("a stream below one that was opened", good(1)).then([good(5), good(3)].concat()),
        Script::new("HEADERS on a stream that is closed", good(1)).then(good(1)),
        Script::new("the reserved bit of a stream", reserved),
        about("the highest stream and one after it", [good(0x7fff_ffff), good(0x7fff_fffd)].concat()),
    ]
}

fn idle() -> Vec<Script> {
    vec![
        about("DATA on an idle stream", more(1, b"x")),
        about("DATA on an even idle stream", more(2, b"x")),
        about("RST_STREAM on an idle stream", frame(RST_STREAM, 0, 1, &code(8))),
        about("RST_STREAM on an even idle stream", frame(RST_STREAM, 0, 2, &code(8))),
        about("WINDOW_UPDATE on an idle stream", frame(WINDOW_UPDATE, 0, 1, &code(1))),
        about("WINDOW_UPDATE on an even idle stream", frame(WINDOW_UPDATE, 0, 2, &code(1))),
    ]
}

/// After the end of a request. Its message is already decided or rejected, so the answer may be there.
fn half_closed() -> Vec<Script> {
    let call = |name: &str, bytes: Vec<u8>| Script::new(name, [good(1), bytes].concat());
    vec![
        call("PRIORITY on an ended stream", frame(2, 0, 1, &[0, 0, 0, 0, 15])),
        call("WINDOW_UPDATE on an ended stream", frame(WINDOW_UPDATE, 0, 1, &code(1))),
        call("an unknown frame on an ended stream", frame(0x42, 0, 1, b"x")),
    ]
}

fn closed() -> Vec<Script> {
    let then = |name: &str, bytes: Vec<u8>| Script::new(format!("{name} on an answered stream"), good(1)).then(bytes);
    vec![
        then("DATA", more(1, b"x")),
        then("DATA with END_STREAM", last(1, b"x")),
        then("empty DATA", more(1, b"")),
        then("RST_STREAM", frame(RST_STREAM, 0, 1, &code(8))),
        then("RST_STREAM NO_ERROR", frame(RST_STREAM, 0, 1, &code(0))),
        then("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 1, &code(1))),
        then("WINDOW_UPDATE of 0", frame(WINDOW_UPDATE, 0, 1, &code(0))),
        then("WINDOW_UPDATE that overflows", frame(WINDOW_UPDATE, 0, 1, &code(0x7fff_ffff))),
        then("PRIORITY", frame(2, 0, 1, &[0, 0, 0, 0, 15])),
        then("trailers", headers(1, END_STREAM, &block(&[pair(("x", "y"))]))),
        then("a frame of an unknown type", frame(0x42, 0, 1, b"x")),
    ]
}

fn reset() -> Vec<Script> {
    // the stream has nothing more to send
    let begun = [open(1, &fields()), more(1, &message()[..9]), frame(RST_STREAM, 0, 1, &code(8))].concat();
    let then = |name: &str, bytes: Vec<u8>| {
        Script::new(format!("{name} on a stream that its client reset"), [begun.clone(), bytes].concat()).open()
    };
    let mut all: Vec<_> = [0, 1, 2, 7, 8, 11, 0xff]
        .map(|number| {
            let bytes = [open(1, &fields()), frame(RST_STREAM, 0, 1, &code(number)), good(3)].concat();
            Script::new(format!("RST_STREAM with the code {number}"), bytes).open().and([3])
        })
        .to_vec();
    all.extend([
        then("nothing", Vec::new()),
        then("DATA", more(1, b"x")),
        then("RST_STREAM", frame(RST_STREAM, 0, 1, &code(8))),
        then("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 1, &code(1))),
        then("HEADERS", good(1)),
        Script::new("DATA on a stream that the server reset", {
            let malformed: Vec<_> = fields().into_iter().filter(|(name, _)| name != b":path").collect();
            open(1, &malformed)
        })
        .then([last(1, &message()), frame(PING, 0, 0, &[0; 8])].concat()),
        Script::new("DATA beyond the end, without waiting", {
            [open(1, &fields()), frame(DATA, 0, 1, &message()), last(1, b""), last(1, b"x")].concat()
        }),
    ]);
    all
}
