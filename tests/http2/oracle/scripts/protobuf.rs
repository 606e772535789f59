//! Invalid and unusual protobuf messages. Tollgate always uses its own decoder, whose tests compare it with prost on
//! many more messages; here it is compared with Go's.

use crate::oracle::script::{Script, fields, framed, last, open, plain_message};

pub fn scripts() -> Vec<Script> {
    let case =
        |name: &str, message: &[u8]| Script::new(name, [open(1, &fields()), last(1, &framed(0, message))].concat());
    let plus = |name: &str, more: &[u8]| case(name, &[&plain_message()[..], more].concat());
    vec![
        case("protobuf of another kind", b"\xff\xff\xff\xff\xff"),
        case("a domain alone", b"\x0a\x01e"),
        case("descriptors without a domain", b"\x12\x08\x0a\x06\x0a\x01k\x12\x01v"),
        case("an empty descriptor", b"\x0a\x01e\x12\x00"),
        case("a domain that is truncated", b"\x0a\x7f"),
        case("a descriptor that is truncated", b"\x0a\x01e\x12\x05\x0a\x06"),
        case("a domain that is not UTF-8", b"\x0a\x01\xff\x12\x08\x0a\x06\x0a\x01k\x12\x01v"),
        case("a key that is not UTF-8", b"\x0a\x01e\x12\x08\x0a\x06\x0a\x01\xff\x12\x01v"),
        case("a value that is not UTF-8", b"\x0a\x01e\x12\x08\x0a\x06\x0a\x01k\x12\x01\xc3"),
        case("a domain as a number", b"\x08\x01\x12\x08\x0a\x06\x0a\x01k\x12\x01v"),
        case("a domain twice", b"\x0a\x01a\x0a\x01b\x12\x08\x0a\x06\x0a\x01k\x12\x01v"),
        plus("a field that is not known", b"\x7a\x01x"),
        plus("a field that is not known, of each wire type", b"\x78\x01\x79\0\0\0\0\0\0\0\0\x7d\0\0\0\0\x7b\x7c"),
        plus("a group that does not end", b"\x7b"),
        plus("a group that another ends", b"\x7b\x74"),
        plus("a group that ends and did not begin", b"\x7c"),
        plus("groups in groups", &[[0x7b; 90], [0x7c; 90]].concat()),
        plus("the wire type 6", b"\x7e"),
        plus("the wire type 7", b"\x7f"),
        plus("the field number 0", b"\x00\x01"),
        plus("a field number above the largest", b"\x80\x80\x80\x80\x10\x01"),
        plus("a key of eleven octets", b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
        plus("a varint of ten octets that overflows", b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
        plus("a varint that is longer than it need be", b"\x18\x81\x80\x80\x00"),
        plus("a varint that is truncated", b"\x18\x80"),
        plus("hits above 32 bits", b"\x18\x81\x80\x80\x80\x10"),
        plus("hits with the wire type of a text", b"\x1a\x01x"),
        plus("a fixed32 that is truncated", b"\x7d\0\0"),
        plus("a fixed64 that is truncated", b"\x79\0\0\0\0"),
        plus("a length above what is left", b"\x7a\xff\xff\xff\xff\x0f"),
        plus("a length of ten octets", b"\x7a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    ]
}
