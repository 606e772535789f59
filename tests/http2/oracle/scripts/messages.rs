//! Messages, and how DATA frames divide them.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

use crate::oracle::script::{
    PADDED, Script, call, fields, framed, good, last, message, more, open, plain_message, with,
};
use testkit::frames::{DATA, END_STREAM, frame};

const LARGEST: u32 = 4 << 20;

pub fn scripts() -> Vec<Script> {
    [whole(), padded(), parts(), prefixes(), compressed()].concat()
}

/// HEADERS on stream 1, followed by this.
fn then(name: &str, data: &[Vec<u8>]) -> Script {
    Script::new(name, [open(1, &fields()), data.concat()].concat())
}

fn whole() -> Vec<Script> {
    let length = u32::try_from(message().len()).expect("short");
    let cut = |stream: u32, at: usize| {
        let message = message();
        [open(stream, &fields()), more(stream, &message[..at]), last(stream, &message[at..])].concat()
    };
    let streams = (1..).step_by(2).zip(0..=length as usize);
    let cuts = streams.flat_map(|(stream, at)| cut(stream, at)).collect();
    let octets: Vec<_> = message().chunks(1).map(|octet| more(1, octet)).collect();
    vec![
        Script::new("a call", good(1)),
        Script::new("two calls", [good(1), good(3)].concat()).and([3]),
        then("the end in a frame of its own", &[more(1, &message()), last(1, b"")]),
        Script::new("a message in two frames, cut everywhere", cuts).and((3..=2 * length + 1).step_by(2)),
        then("a message, each octet in a frame", &[octets.concat(), last(1, b"")]),
        then("empty DATA before a message", &[more(1, b""), more(1, b""), last(1, &message())]),
        then("empty DATA within a message", &[more(1, &message()[..9]), more(1, b""), last(1, b"")]),
        then("a call that is not ended", &[more(1, &message())]).open(),
        then("HEADERS alone", &[]).open(),
    ]
}

fn padded() -> Vec<Script> {
    let padded = |length: u8, rest: &[u8]| frame(DATA, END_STREAM | PADDED, 1, &[&[length], rest].concat());
    let with = |length: u8| {
        then(
            &format!("DATA with {length} octets of padding"),
            &[{ padded(length, &[&message()[..], &vec![0; length.into()]].concat()) }],
        )
    };
    let mut all: Vec<_> = [0, 1, 255].map(with).to_vec();
    all.extend([
        then("DATA whose padding is not zero", &[padded(3, &[&message()[..], &[7; 3]].concat())]),
        then("DATA of padding alone", &[frame(DATA, PADDED, 1, &[2, 0, 0]), last(1, &message())]),
        then("DATA padded as long as the payload", &[padded(3, &[0; 2])]),
        then("DATA padded longer than the payload", &[padded(200, &message())]),
        then("DATA padded and empty", &[frame(DATA, END_STREAM | PADDED, 1, &[])]),
        then(
            "padding on each octet",
            &[message().iter().flat_map(|octet| frame(DATA, PADDED, 1, &[2, *octet, 0, 0])).collect(), last(1, b"")],
        ),
    ]);
    all
}

fn parts() -> Vec<Script> {
    let two = [message(), message()];
    let truncated =
        |length: usize| then(&format!("a message that ends after {length} octets"), &[last(1, &message()[..length])]);
    let mut all: Vec<_> = [1, 4, 5, 20].map(truncated).to_vec();
    all.extend([
        then("DATA that only end the call", &[last(1, b"")]),
        Script::new(
            "HEADERS that end the call",
            crate::oracle::script::headers(1, END_STREAM, &{ crate::oracle::script::block(&fields()) }),
        ),
        then("two messages in one frame", &[last(1, &two.concat())]),
        then("two messages in two frames", &[more(1, &two[0]), last(1, &two[1])]),
        then("an octet after the message", &[last(1, &[&message()[..], b"x"].concat())]),
        then("a truncated message after the message", &[last(1, &[&message()[..], &message()[..9]].concat())]),
        then(
            "a message above the largest size after the message",
            &[last(1, &[&message()[..], &[0, 0xff, 0xff, 0xff, 0xff]].concat())],
        ),
        then("an empty message", &[last(1, &framed(0, b""))]),
        then("two empty messages", &[last(1, &[0; 10])]),
        then("a message in one frame, the rest in the next", &[more(1, &message()[..9]), last(1, &message()[9..])]),
    ]);
    all
}

fn prefixes() -> Vec<Script> {
    let prefix = |name: &str, flag: u8, length: u32| {
        then(name, &[last(1, &[&[flag][..], &length.to_be_bytes(), &plain_message()].concat())])
    };
    vec![
        prefix("a message longer than its DATA", 0, 1000),
        prefix("a message of the largest size that ends early", 0, LARGEST),
        prefix("a message above the largest size", 0, LARGEST + 1),
        prefix("a message of 4 GiB", 0, u32::MAX),
        prefix("a message above the largest size, and a bad flag", 9, LARGEST + 1),
        then("the flag 2", &[last(1, &framed(2, &plain_message()))]),
        then("the flag 255", &[last(1, &framed(255, &plain_message()))]),
        then("the flag 2 of a truncated message", &[last(1, &framed(2, &plain_message())[..9])]),
    ]
}

fn compressed() -> Vec<Script> {
    let zip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    };
    let zipped = zip(&plain_message());
    let case = |name: &str, encoding: &str, message: Vec<u8>| {
        Script::new(name, [open(1, &with("grpc-encoding", encoding)), last(1, &message)].concat())
    };
    let bad_sum = [&zipped[..zipped.len() - 8], &[0; 8]].concat();
    vec![
        case("gzip", "gzip", framed(1, &zipped)),
        case("gzip, and a message that is not compressed", "gzip", message()),
        case("gzip in two members", "gzip", framed(1, &[zip(b""), zip(&plain_message())].concat())),
        case("gzip that is none", "gzip", framed(1, &plain_message())),
        case("gzip that is truncated", "gzip", framed(1, &zipped[..20])),
        case("gzip with a wrong sum", "gzip", framed(1, &bad_sum)),
        case("gzip followed by zeros", "gzip", framed(1, &[&zipped[..], &[0; 3]].concat())),
        case("gzip of nothing", "gzip", framed(1, b"")),
        case("gzip of an empty message", "gzip", framed(1, &zip(b""))),
        case("gzip above the largest size", "gzip", framed(1, &zip(&vec![0; 5 << 20]))),
        case("compressed, with the encoding identity", "identity", framed(1, &zipped)),
        case("the encoding identity", "identity", message()),
        case("an empty encoding", "", message()),
        case("the encoding deflate", "deflate", framed(1, &zipped)),
        case("the encoding deflate, and a message that is not compressed", "deflate", message()),
        case("the encoding GZIP", "GZIP", framed(1, &zipped)),
        Script::new("compressed, without an encoding", [open(1, &fields()), last(1, &framed(1, &zipped))].concat()),
        Script::new("answers may be gzip", call(1, &with("grpc-accept-encoding", "gzip"))),
    ]
}
