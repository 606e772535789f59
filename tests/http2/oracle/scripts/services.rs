//! Calls to other services: `Check` of health, which Tollgate implements as a unary method like ShouldRateLimit, and
//! reflection, which tonic implements and which takes another path.

use crate::oracle::script::{Fields, Script, block, changed, framed, headers, last, more, open, pair};
use testkit::frames::END_STREAM;

struct Method {
    name: &'static str,
    service: &'static str,
    path: &'static str,
    /// A message that is answered.
    asked: &'static [u8],
    /// A message with text that is not UTF-8.
    not_utf8: &'static [u8],
}

const METHODS: [Method; 2] = [
    Method {
        name: "health",
        service: "/grpc.health.v1.Health",
        path: "/grpc.health.v1.Health/Check",
        asked: b"\x0a\x09ratelimit",
        not_utf8: b"\x0a\x01\xff",
    },
    Method {
        name: "reflection",
        service: "/grpc.reflection.v1.ServerReflection",
        path: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        // asks for the existing services
        asked: b"\x3a\x00",
        not_utf8: b"\x3a\x01\xff",
    },
];

impl Method {
    fn head(&self, more: &[(&str, &[u8])]) -> Fields {
        let mut fields = changed(":path", self.path);
        fields.extend(more.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())));
        fields
    }
}

pub fn scripts() -> Vec<Script> {
    let mut all: Vec<_> = METHODS.iter().flat_map(of).collect();
    for (name, asked) in [("of the whole server", &b""[..]), ("of a service that is not there", b"\x0a\x01x")] {
        let [health, _] = &METHODS;
        let call = [open(1, &health.head(&[])), last(1, &framed(0, asked))];
        all.push(Script::new(format!("health: {name}"), call.concat()));
    }
    all
}

fn of(method: &Method) -> Vec<Script> {
    let head = |more: &[(&str, &[u8])]| method.head(more);
    let named = |name: &str| format!("{}: {name}", method.name);
    let case = |name: &str, fields: &[(&str, &[u8])], data: &[Vec<u8>]| {
        Script::new(named(name), [open(1, &head(fields)), data.concat()].concat())
    };
    let asked = framed(0, method.asked);
    let sent = [last(1, &asked)];
    let cuts = (1..).step_by(2).zip(0..=asked.len()).flat_map(|(stream, at)| {
        [open(stream, &head(&[])), more(stream, &asked[..at]), last(stream, &asked[at..])].concat()
    });
    let cuts = cuts.collect();
    let count = u32::try_from(asked.len()).expect("short");
    let right = asked.len().to_string();
    let trailers = headers(1, END_STREAM, &block(&[pair(("x", "y"))]));
    vec![
        case("a call", &[], &sent),
        Script::new(named("a message in two frames, cut everywhere"), cuts).and((3..=2 * count + 1).step_by(2)),
        case("the end in a frame of its own", &[], &[more(1, &asked), last(1, b"")]),
        case("trailers", &[], &[more(1, &asked), trailers.clone()]),
        case("no message", &[], &[last(1, b"")]),
        Script::new(named("HEADERS that end the call"), headers(1, END_STREAM, &block(&head(&[])))),
        case("a message that is truncated", &[], &[last(1, &asked[..6])]),
        case("two messages", &[], &[last(1, &[&asked[..], &asked].concat())]),
        case("the flag 2", &[], &[last(1, &framed(2, b""))]),
        case("a message of 4 GiB", &[], &[last(1, b"\0\xff\xff\xff\xff")]),
        case("protobuf that is malformed", &[], &[last(1, &framed(0, b"\x0a\x7f"))]),
        case("a name that is not UTF-8", &[], &[last(1, &framed(0, method.not_utf8))]),
        case("compressed without an encoding", &[], &[last(1, &framed(1, b"x"))]),
        case("the encoding deflate", &[("grpc-encoding", b"deflate")], &sent),
        case("a content-length that is right", &[("content-length", right.as_bytes())], &sent),
        case("a content-length that lies", &[("content-length", b"99")], &sent),
        case("a field that is not ASCII", &[("x", b"caf\xe9")], &sent),
        case("a field with a blank at its end", &[("x", b"y ")], &sent),
        case("a field with a control character", &[("x", b"a\x01b")], &sent),
        case("a field with DEL", &[("x", b"a\x7fb")], &sent),
        case("a field called x(y)", &[("x(y)", b"z")], &sent),
        case("a field of 20 000 octets", &[("x", &[b'y'; 20_000])], &sent),
        case("a grpc-timeout", &[("grpc-timeout", b"1H")], &sent),
        case("a grpc-timeout that is malformed", &[("grpc-timeout", b"1h")], &sent),
        case("a grpc-timeout of 0", &[("grpc-timeout", b"0S")], &sent),
        case("a -bin field that is base64", &[("x-bin", b"AAEC")], &sent),
        case("an authority that is none, as host", &[("host", b"a|b")], &sent),
        Script::new(
            named("an unknown method"),
            [open(1, &changed(":path", format!("{}/Other", method.service))), last(1, &asked)].concat(),
        ),
        Script::new(named("an authority that is none"), {
            let mut fields = changed(":authority", "a|b");
            fields[2].1 = method.path.into();
            [open(1, &fields), last(1, &asked)].concat()
        }),
        Script::new(named("GET"), {
            let mut fields = changed(":method", "GET");
            fields[2].1 = method.path.into();
            [open(1, &fields), last(1, &asked)].concat()
        }),
    ]
}
