//! Frames that belong to no call, the first frame, and unknown frames.

use crate::{
    oracle::script::{Script, block, fields, good, last, message, more, open},
    rig::window_update,
};
use testkit::frames::{ACK, DATA, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame};

const PRIORITY: u8 = 2;
const PUSH_PROMISE: u8 = 5;

pub fn scripts() -> Vec<Script> {
    [pings(), window_updates(), others(), goaways(), unknown(), sizes(), beginnings()].concat()
}

fn about(name: &str, bytes: Vec<u8>) -> Script {
    Script::about_the_connection(name, bytes)
}

fn pings() -> Vec<Script> {
    let ping = |name: &str, flags: u8, stream: u32, length: usize| {
        about(&format!("a PING {name}"), frame(PING, flags, stream, &vec![0; length]))
    };
    vec![
        ping("of seven octets", 0, 0, 7),
        ping("of nine octets", 0, 0, 9),
        ping("that is empty", 0, 0, 0),
        ping("on a stream", 0, 1, 8),
        ping("that acknowledges none", ACK, 0, 8),
        ping("of seven octets that acknowledges none", ACK, 0, 7),
        ping("with flags that are not known", 0xfe, 0, 8),
        about("five PINGs", frame(PING, 0, 0, &[0; 8]).repeat(5)),
    ]
}

fn window_updates() -> Vec<Script> {
    let on_open = |name: &str, bytes: Vec<u8>| {
        let bytes = [open(1, &fields()), bytes, last(1, &message())].concat();
        Script::new(format!("WINDOW_UPDATE {name}"), bytes)
    };
    vec![
        about("WINDOW_UPDATE of 0 on the connection", window_update(0, 0)),
        about("WINDOW_UPDATE that overflows the connection", window_update(0, 0x7fff_ffff)),
        about("WINDOW_UPDATE that fills the connection", window_update(0, 0x7fff_ffff - 65_535)),
        about("WINDOW_UPDATE of three octets", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1])),
        about("WINDOW_UPDATE of five octets", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1, 0])),
        about("WINDOW_UPDATE with the reserved bit", window_update(0, 0x8000_0001)),
        on_open("of 0 on a stream", window_update(1, 0)),
        on_open("that overflows a stream", window_update(1, 0x7fff_ffff)),
        on_open("that fills a stream", window_update(1, 0x7fff_ffff - 65_535)),
        on_open("of three octets on a stream", frame(WINDOW_UPDATE, 0, 1, &[0, 0, 1])),
        on_open("of 0 on a stream of the reserved bit", window_update(1, 0x8000_0000)),
    ]
}

fn others() -> Vec<Script> {
    let priority = |name: &str, stream: u32, payload: &[u8]| {
        about(&format!("PRIORITY {name}"), frame(PRIORITY, 0, stream, payload))
    };
    let promise = [&[0, 0, 0, 2][..], &block(&fields())].concat();
    vec![
        priority("on the connection", 0, &[0, 0, 0, 0, 15]),
        priority("on an idle stream", 1, &[0, 0, 0, 0, 15]),
        priority("on an even idle stream", 2, &[0, 0, 0, 0, 15]),
        priority("of four octets", 1, &[0, 0, 0, 0]),
        priority("of six octets", 1, &[0, 0, 0, 0, 15, 0]),
        priority("of an idle stream on itself", 1, &[0, 0, 0, 1, 15]),
        Script::new("PRIORITY of an open stream on itself", {
            [open(1, &fields()), frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 15]), last(1, &message())].concat()
        }),
        Script::new("PRIORITY of four octets on an open stream", {
            [open(1, &fields()), frame(PRIORITY, 0, 1, &[0, 0, 0, 1]), last(1, &message())].concat()
        }),
        about("RST_STREAM on the connection", frame(RST_STREAM, 0, 0, &[0, 0, 0, 8])),
        about("RST_STREAM of three octets", [open(1, &fields()), frame(RST_STREAM, 0, 1, &[0; 3])].concat()),
        about("RST_STREAM of five octets", [open(1, &fields()), frame(RST_STREAM, 0, 1, &[0; 5])].concat()),
        about("PUSH_PROMISE on the connection", frame(PUSH_PROMISE, 4, 0, &promise)),
        about("PUSH_PROMISE on an open stream", [open(1, &fields()), frame(PUSH_PROMISE, 4, 1, &promise)].concat()),
    ]
}

fn goaways() -> Vec<Script> {
    let payload = |code: u8| [0, 0, 0, 0, 0, 0, 0, code];
    let goaway =
        |name: &str, stream: u32, payload: &[u8]| about(&format!("a GOAWAY {name}"), frame(GOAWAY, 0, stream, payload));
    vec![
        goaway("of seven octets", 0, &[0; 7]),
        goaway("on a stream", 1, &[0; 8]),
        goaway("NO_ERROR", 0, &payload(0)),
        goaway("ENHANCE_YOUR_CALM with words", 0, &[&payload(11)[..], b"too many"].concat()),
        Script::new("a GOAWAY while a call goes on", {
            [open(1, &fields()), frame(GOAWAY, 0, 0, &payload(0)), last(1, &message())].concat()
        }),
    ]
}

fn unknown() -> Vec<Script> {
    let mut all: Vec<_> = [0x0a, 0x0b, 0x0c, 0x10, 0x42, 0xff]
        .map(|kind| {
            let bytes = [frame(kind, 0xff, 0, b"some"), frame(kind, 0xff, 1, b""), good(1)].concat();
            Script::new(format!("frames of the type {kind:#x}"), bytes)
        })
        .to_vec();
    all.push(Script::new("a frame of an unknown type within a call", {
        [open(1, &fields()), frame(0x42, 0xff, 1, b"some"), last(1, &message())].concat()
    }));
    all.push(about("a frame of an unknown type on an idle stream", frame(0x42, 0, 99, b"x")));
    all
}

fn sizes() -> Vec<Script> {
    let long = vec![0; 16_385];
    let padded = [&[200][..], &message(), &[0; 200]].concat();
    vec![
        about("DATA of 16 385 octets", [open(1, &fields()), more(1, &long)].concat()),
        about("DATA of 16 385 octets on an idle stream", more(1, &long)),
        about("HEADERS of 16 385 octets", frame(HEADERS, 4, 1, &long)),
        about("SETTINGS of 16 386 octets", frame(SETTINGS, 0, 0, &vec![0xff; 16_386])),
        about("an unknown frame of 16 385 octets", frame(0x42, 0, 0, &long)),
        about("an unknown frame of 16 384 octets", frame(0x42, 0, 0, &long[1..])),
        Script::new("DATA of padding on each call", [open(1, &fields()), frame(DATA, 9, 1, &padded)].concat()),
    ]
}

fn beginnings() -> Vec<Script> {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let first =
        |name: &str, bytes: &[u8]| Script::bare(&format!("{name} as the first frame"), &[preface, bytes].concat());
    vec![
        first("a PING", &frame(PING, 0, 0, &[0; 8])),
        first("HEADERS", &good(1)),
        first("SETTINGS on a stream", &frame(SETTINGS, 0, 1, &[])),
        first("SETTINGS of five octets", &frame(SETTINGS, 0, 0, &[0; 5])),
        first("an acknowledgement", &frame(SETTINGS, ACK, 0, &[])),
        first("a frame of an unknown type", &frame(0x42, 0, 0, &[])),
        first("SETTINGS", &frame(SETTINGS, 0, 0, &[])),
        Script::bare("no preface", &frame(SETTINGS, 0, 0, &[])),
        Script::bare("half a preface and rubbish", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"),
    ]
}
