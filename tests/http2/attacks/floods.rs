//! Attacks with what costs the sender little: frames that belong to no call, malformed calls, cancelled calls.

use super::attack::Attack;
use crate::messages::head;
use testkit::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE, call, frame,
};

const PRIORITY: u8 = 2;
const PADDED: u8 = 8;

/// RateLimitRequest{domain: "edge", descriptors: [{entries: [{key: "path", value: "/flip"}]}]}, framed
const MESSAGE: &[u8] = b"\0\0\0\0\x17\x0a\x04edge\x12\x0f\x0a\x0d\x0a\x04path\x12\x05/flip";

pub fn preface() -> Vec<u8> {
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[])].concat()
}

/// The stream of a round's first call, of a hundred.
fn stream(round: u32) -> u32 {
    (round % 10_000_000) * 200 + 1
}

/// A hundred calls with this header block, and what follows each.
fn calls(round: u32, block: &[u8], flags: u8, after: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    let one = |number: u32| {
        let stream: u32 = stream(round) + 2 * number;
        [frame(HEADERS, END_HEADERS | flags, stream, block), after(stream)].concat()
    };
    (0..100).flat_map(one).collect()
}

/// A hundred calls, and what follows the head of each.
fn opened(round: u32, after: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    calls(round, &call(b"\x01\x01a"), 0, after)
}

/// A hundred complete calls.
pub fn whole_calls(round: u32) -> Vec<u8> {
    opened(round, |stream| frame(DATA, END_STREAM, stream, MESSAGE))
}

/// A hundred calls with two authorities, which the other end resets.
fn malformed(round: u32) -> Vec<u8> {
    calls(round, &call(b"\x01\x01a\x01\x01b"), END_STREAM, |_| Vec::new())
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])
}

pub fn resets(round: u32) -> Vec<u8> {
    opened(round, reset)
}

/// A message in frames of one byte each, with these flags.
fn bytewise(stream: u32, flags: u8, payload: impl Fn(u8) -> Vec<u8>) -> Vec<u8> {
    let last = MESSAGE.len() - 1;
    let end = |at| if at == last { END_STREAM } else { 0 };
    MESSAGE.iter().enumerate().flat_map(|(at, byte)| frame(DATA, flags | end(at), stream, &payload(*byte))).collect()
}

/// Adds a field of 4 KiB to the dynamic table.
pub fn bomb() -> Vec<u8> {
    // its value has 4000 bytes: 127, and 3873 in seven bits per byte
    let block = [&call(b"\x01\x01a")[..], b"\x40\x01x\x7f\xa1\x1e", &[b'x'; 4000]].concat();
    [preface(), frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)].concat()
}

/// A call whose fields are 15 000 times the large one of [`bomb`]: 60 MB.
pub fn exploding(round: u32) -> Vec<u8> {
    let block = [&call(b"\x01\x01a")[..], &[0xbe; 15_000]].concat();
    frame(HEADERS, END_HEADERS | END_STREAM, 2 * (round % 1_000_000_000) + 3, &block)
}

/// Calls whose windows are opened by SETTINGS and that are then reset. The connection's window is never opened; once it
/// is used up, each call waits for it.
fn opened_by_settings(round: u32) -> Vec<u8> {
    if round < 40 {
        return whole_calls(round);
    }
    let window = |size: u8| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, size]);
    let resets: Vec<u8> = (0..100).flat_map(|number| reset(stream(round) + 2 * number)).collect();
    [window(0), whole_calls(round), window(1), resets].concat()
}

pub fn frames() -> Vec<Attack> {
    let http2 = |name, then| Attack::flood(name, preface(), then);
    vec![
        http2("PING acknowledgements", |_| frame(PING, ACK, 0, &[0; 8]).repeat(1000)),
        http2("PINGs", |_| frame(PING, 0, 0, &[0; 8]).repeat(1000)),
        http2("PINGs, unread", |_| frame(PING, 0, 0, &[0; 8]).repeat(1000)).unread(),
        http2("SETTINGS", |_| frame(SETTINGS, 0, 0, &[]).repeat(1000)),
        http2("SETTINGS, unread", |_| frame(SETTINGS, 0, 0, &[]).repeat(1000)).unread(),
        http2("SETTINGS acknowledgements", |_| frame(SETTINGS, ACK, 0, &[]).repeat(1000)),
        http2("window updates of nothing", |_| frame(WINDOW_UPDATE, 0, 0, &[0; 4]).repeat(1000)),
        http2("window updates of one", |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]).repeat(1000)),
        http2("window updates beyond the largest", |_| {
            frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]).repeat(1000)
        }),
        http2("priorities", |_| frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]).repeat(1000)),
        http2("frames of unknown kinds", |_| frame(99, 0, 0, b"x").repeat(1000)),
        http2("frames of a wrong size", |_| frame(PING, 0, 0, b"x").repeat(1000)),
        Attack::flood("empty DATA", [preface(), head(1)].concat(), |_| frame(DATA, 0, 1, b"").repeat(1000)),
        Attack::flood("DATA that are all padding", [preface(), head(1)].concat(), |_| {
            frame(DATA, PADDED, 1, &[&[255][..], &[0; 255]].concat()).repeat(100)
        }),
        Attack::flood(
            "headers that never end",
            [preface(), frame(HEADERS, 0, 1, &call(b"\x01\x01a"))].concat(),
            |_| frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b").repeat(1000),
        ),
        Attack::flood(
            "CONTINUATIONs of nothing",
            [preface(), frame(HEADERS, 0, 1, &call(b"\x01\x01a"))].concat(),
            |_| frame(CONTINUATION, 0, 1, b"").repeat(1000),
        ),
        http2("a block between the parts of another", |round| {
            let opening = frame(HEADERS, 0, stream(round), &call(b"\x01\x01a"));
            [opening, frame(CONTINUATION, 0, stream(round), b"\x00\x01a\x01b").repeat(1000)].concat()
        }),
    ]
}

pub fn of_calls() -> Vec<Attack> {
    let http2 = |name, then| Attack::flood(name, preface(), then);
    vec![
        http2("streams that are reset", resets),
        http2("whole calls that are reset", |round| {
            opened(round, |stream| [frame(DATA, END_STREAM, stream, MESSAGE), reset(stream)].concat())
        }),
        http2("calls whose windows are opened before they are reset", opened_by_settings),
        http2("calls that make us reset them", |round| {
            opened(round, |stream| frame(WINDOW_UPDATE, 0, stream, &[0; 4]))
        }),
        http2("calls with two authorities", malformed),
        http2("calls with two authorities, unread", malformed).unread(),
        http2("calls without a message", |round| calls(round, &call(b"\x01\x01a"), END_STREAM, |_| Vec::new())),
        http2("calls of an unknown method", |round| {
            calls(round, b"\x83\x86\x04\x02/x\x01\x01a", END_STREAM, |_| Vec::new())
        }),
        http2("calls of no gRPC", |round| calls(round, b"\x82\x86\x84\x01\x01a", END_STREAM, |_| Vec::new())),
        http2("messages that are none", |round| {
            opened(round, |stream| frame(DATA, END_STREAM, stream, b"\0\0\0\0\x03\xff\xff\xff"))
        }),
        http2("messages that are too large", |round| {
            opened(round, |stream| frame(DATA, END_STREAM, stream, b"\0\xff\xff\xff\xff"))
        }),
        http2("unknown domains", |round| {
            opened(round, |stream| {
                let domain = format!("{stream:010}");
                let message = [&b"\x0a\x0a"[..], domain.as_bytes(), b"\x12\x08\x0a\x06\x0a\x01k\x12\x01v"].concat();
                frame(DATA, END_STREAM, stream, &[&[0, 0, 0, 0, message.len() as u8][..], &message].concat())
            })
        }),
        http2("calls of a byte in each frame", |round| opened(round, |stream| bytewise(stream, 0, |byte| vec![byte]))),
        http2("calls of a byte in each padded frame", |round| {
            opened(round, |stream| bytewise(stream, PADDED, |byte| [&[255, byte][..], &[0; 255]].concat()))
        }),
        http2("fields of no name and no value", |round| {
            calls(round, &[&call(b"\x01\x01a")[..], &[0; 3000]].concat(), END_STREAM, |_| Vec::new())
        }),
        Attack::flood("header bombs", bomb(), exploding),
    ]
}

/// Attacks on other ports, and with other protocols than HTTP/2.
pub fn others() -> Vec<Attack> {
    let raw = |name, then| Attack::flood(name, Vec::new(), then);
    vec![
        raw("garbage on the gRPC port", |_| vec![0xa5; 65_536]),
        raw("HTTP/1 on the gRPC port", |_| b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        raw("garbage on the HTTP port", |_| vec![0xa5; 65_536]).on("http"),
        raw("a /json that is none", |_| b"POST /json HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n{x}".repeat(100))
            .on("http"),
        raw("pages that there are not", |_| b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n".repeat(100)).on("http"),
        raw("garbage on the metrics port", |_| vec![0xa5; 65_536]).on("metrics"),
    ]
}
