//! Header sections: their frames, padding, priorities, CONTINUATION, and trailers.

use crate::oracle::script::{
    Fields, PADDED, PRIORITY, Script, block, fields, good, headers, last, message, more, open, pair, with,
};
use testkit::frames::{CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, frame};

pub fn scripts() -> Vec<Script> {
    [padded(), priorities(), continued(), interrupted(), trailers(), bad_trailers()].concat()
}

fn block_of_call() -> Vec<u8> {
    block(&fields())
}

/// HEADERS with these flags and this payload, and the message.
fn framed(name: &str, flags: u8, payload: &[u8]) -> Script {
    Script::new(name, [frame(HEADERS, flags | END_HEADERS, 1, payload), last(1, &message())].concat())
}

fn padded() -> Vec<Script> {
    let with = |length: u8| {
        let payload = [&[length][..], &block_of_call(), &vec![0; length.into()]].concat();
        framed(&format!("HEADERS with {length} octets of padding"), PADDED, &payload)
    };
    let mut all = [0, 1, 255].map(with).to_vec();
    all.extend([
        framed("HEADERS padded as long as the payload", PADDED, &[3, 0, 0]),
        framed("HEADERS padded longer than the payload", PADDED, &[&[250][..], &block_of_call()].concat()),
        framed("HEADERS padded and empty", PADDED, &[]),
        framed("HEADERS of padding alone", PADDED, &[3, 0, 0, 0]),
        framed("HEADERS that are empty", 0, &[]),
        framed("HEADERS with flags that are not known", 0xd2, &block_of_call()),
        framed("HEADERS padded over the priority", PADDED | PRIORITY, &[4, 0, 0, 0, 0, 9, 0, 0]),
    ]);
    all
}

fn priorities() -> Vec<Script> {
    let on = |name: &str, dependency: u32| {
        let payload = [&dependency.to_be_bytes()[..], &[15], &block_of_call()].concat();
        framed(&format!("a priority that depends on {name}"), PRIORITY, &payload)
    };
    vec![
        on("the connection", 0),
        on("a stream that was never opened", 99),
        on("a stream alone", 0x8000_0003),
        on("itself", 1),
        on("itself alone", 0x8000_0001),
        framed("a priority that is truncated", PRIORITY, &[0, 0, 0]),
        framed("a priority and no block", PRIORITY, &[0, 0, 0, 0, 15]),
        framed("a priority and padding", PADDED | PRIORITY, &{
            [&[2, 0, 0, 0, 0, 15][..], &block_of_call(), &[0; 2]].concat()
        }),
    ]
}

fn part(flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    frame(CONTINUATION, flags, stream, payload)
}

fn continued() -> Vec<Script> {
    let block = block_of_call();
    let streams = (1..).step_by(2).zip(0..=block.len());
    let cut = streams.flat_map(|(stream, at)| {
        let (front, rest) = block.split_at(at);
        [frame(HEADERS, 0, stream, front), part(END_HEADERS, stream, rest), last(stream, &message())].concat()
    });
    let count = u32::try_from(block.len()).expect("short");
    let octets: Vec<u8> = block.iter().flat_map(|octet| part(0, 1, &[*octet])).collect();
    let head = frame(HEADERS, 0, 1, &[]);
    vec![
        Script::new("a block in two frames, cut everywhere", cut.collect()).and((3..=2 * count + 1).step_by(2)),
        Script::new("a block, each octet in a frame", {
            [&head[..], &octets, &part(END_HEADERS, 1, &[]), &last(1, &message())].concat()
        }),
        Script::new("empty CONTINUATION before a block", {
            [&head[..], &part(0, 1, &[]), &part(0, 1, &[]), &part(END_HEADERS, 1, &block), &last(1, &message())]
                .concat()
        }),
        Script::new("END_STREAM on HEADERS that are continued", {
            [frame(HEADERS, END_STREAM, 1, &block[..9]), part(END_HEADERS, 1, &block[9..])].concat()
        }),
        Script::new("padded HEADERS that are continued", {
            let head = frame(HEADERS, PADDED, 1, &[&[2][..], &block[..9], &[0; 2]].concat());
            [head, part(END_HEADERS, 1, &block[9..]), last(1, &message())].concat()
        }),
        Script::new("CONTINUATION with flags that are not known", {
            [head, part(END_HEADERS | 0xf9, 1, &block), last(1, &message())].concat()
        }),
    ]
}

fn interrupted() -> Vec<Script> {
    let block = block_of_call();
    let head = frame(HEADERS, 0, 1, &block[..9]);
    let rest = part(END_HEADERS, 1, &block[9..]);
    let between = |name: &str, bytes: Vec<u8>| {
        let bytes = [&head[..], &bytes, &rest, &last(1, &message())].concat();
        Script::about_the_connection(format!("{name} between the parts of a block"), bytes)
    };
    let alone = |name: &str, bytes: Vec<u8>| Script::about_the_connection(format!("CONTINUATION {name}"), bytes);
    vec![
        between("a PING", frame(PING, 0, 0, &[0; 8])),
        between("DATA", frame(DATA, 0, 1, b"x")),
        between("HEADERS of another stream", open(3, &fields())),
        between("CONTINUATION of another stream", part(END_HEADERS, 3, &block)),
        between("a frame of an unknown type", frame(0x42, 0, 0, b"x")),
        alone("after no HEADERS", part(END_HEADERS, 1, &block)),
        alone("on the connection", [&head[..], &part(END_HEADERS, 0, &block[9..])].concat()),
        alone("after the end of a block", [open(1, &fields()), part(END_HEADERS, 1, &[])].concat()),
        alone("after DATA", [good(1), part(END_HEADERS, 1, &[])].concat()),
    ]
}

/// A call that ends with these fields.
fn ended_by(name: &str, flags: u8, fields: &Fields) -> Script {
    let bytes = [open(1, &crate::oracle::script::fields()), more(1, &message()), headers(1, flags, &block(fields))];
    Script::new(format!("trailers {name}"), bytes.concat())
}

fn trailers() -> Vec<Script> {
    let one = vec![pair(("x", "y"))];
    let before = [open(1, &fields()), headers(1, END_STREAM, &block(&one))].concat();
    let cut = [
        open(1, &fields()),
        more(1, &message()),
        frame(HEADERS, END_STREAM, 1, &block(&one)[..2]),
        part(END_HEADERS, 1, &block(&one)[2..]),
    ];
    vec![
        ended_by("of one field", END_STREAM, &one),
        ended_by("without a field", END_STREAM, &Vec::new()),
        ended_by("of 1000 octets", END_STREAM, &vec![pair(("x", &"y".repeat(1000)))]),
        ended_by("with grpc-status", END_STREAM, &vec![pair(("grpc-status", "1"))]),
        Script::new("trailers in place of a message", before),
        Script::new("trailers that are continued", cut.concat()),
        Script::new("trailers after half a message", {
            [open(1, &fields()), more(1, &message()[..9]), headers(1, END_STREAM, &block(&one))].concat()
        }),
    ]
}

fn bad_trailers() -> Vec<Script> {
    let mut all: Vec<_> = [
        (":path", "/x"),
        (":status", "200"),
        (":x", "y"),
        ("X-Upper", "y"),
        ("x", "a\nb"),
        ("x", " y"),
        ("connection", "close"),
        ("te", "gzip"),
        ("content-length", "7"),
        ("content-length", "x"),
        ("", "y"),
    ]
    .map(|field| ended_by(&format!("with {:?}", format!("{}: {}", field.0, field.1)), END_STREAM, &vec![pair(field)]))
    .to_vec();
    all.push(ended_by("of a whole head", END_STREAM, &with("x", "y")));
    all.push(Script::new("trailers that do not end the stream", {
        let trailers = headers(1, 0, &block(&[pair(("x", "y"))]));
        [open(1, &fields()), more(1, &message()), trailers, last(1, b"")].concat()
    }));
    all.push(Script::new("a second head that does not end the stream", {
        [open(1, &fields()), open(1, &fields()), last(1, &message())].concat()
    }));
    all
}
