//! HPACK: size updates, indices, integers, and strings. The tests of crates/wire compare the decoded fields with other
//! decoders; here the effect on the connection is compared.

use crate::oracle::script::{Script, block, fields, good, headers, integer, last, message, open};

pub fn scripts() -> Vec<Script> {
    [updates(), indices(), strings(), tables()].concat()
}

/// A call whose block is preceded by this.
fn before(name: &str, bytes: &[u8]) -> Script {
    call(name, &[bytes, &block(&fields())].concat())
}

/// A call whose block is followed by this.
fn after(name: &str, bytes: &[u8]) -> Script {
    call(name, &[&block(&fields()), bytes].concat())
}

fn call(name: &str, block: &[u8]) -> Script {
    Script::new(name, [headers(1, 0, block), last(1, &message())].concat())
}

fn update(size: usize) -> Vec<u8> {
    let mut update = Vec::new();
    integer(0x20, 5, size, &mut update);
    update
}

fn updates() -> Vec<Script> {
    let middle = block(&fields());
    let first = block(&fields()[..1]).len();
    vec![
        before("a size update to 0", &update(0)),
        before("a size update to 4096", &update(4096)),
        before("a size update to 4097", &update(4097)),
        before("a size update to 1 GiB", &update(1 << 30)),
        before("two size updates", &[update(0), update(4096)].concat()),
        before("three size updates", &[update(0), update(100), update(4096)].concat()),
        call("a size update within a block", &[&middle[..first], &update(0), &middle[first..]].concat()),
        after("a size update after a block", &update(0)),
        Script::new("a size update within a block when the table is in use", {
            let indexed = [b"\x40\x01x\x01y", &middle[..first], &update(0), &middle[first..]].concat();
            [headers(1, 0, &indexed), last(1, &message())].concat()
        }),
    ]
}

fn indices() -> Vec<Script> {
    vec![
        after("the index 0", b"\x80"),
        after("the index 61", b"\xbd"),
        after("the index 62 of an empty table", b"\xbe"),
        after("the index 127 of an empty table", b"\xff\x00"),
        after("a name of the index 62 of an empty table", b"\x7e\x01y"),
        after("a name of the index 61", b"\x0f\x2e\x01y"),
        after("a field that is indexed", b"\x40\x01x\x01y"),
        after("a field that is never indexed", b"\x10\x01x\x01y"),
        after("a field that is indexed and referred to", b"\x40\x01x\x01y\xbe"),
        after("a name that is indexed and referred to", b"\x40\x01x\x01y\x7e\x01z\xbe\xbf"),
        after("an integer of five octets", b"\x0f\x80\x80\x80\x80\x00\x01y"),
        after("an integer of ten octets", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        after("an integer that is truncated", b"\xff\x80"),
        after("an index of 2^32", b"\xff\x81\xff\xff\xff\x0f"),
    ]
}

fn strings() -> Vec<Script> {
    vec![
        after("a string that is truncated", b"\x00\x01x\x05y"),
        after("a string without its length", b"\x00\x01x"),
        after("a string of 4 GiB", b"\x00\x01x\x7f\x80\xff\xff\xff\x0f"),
        // `y` is 1111010, and its octet is padded with ones
        after("a string in the Huffman code", b"\x00\x01x\x81\xf5"),
        after("Huffman code that is filled with zeros", b"\x00\x01x\x81\xf4"),
        after("Huffman code that is filled with an octet", b"\x00\x01x\x82\xf5\xff"),
        after("Huffman code with the end of strings", b"\x00\x01x\x84\xff\xff\xff\xff"),
        after("Huffman code that is empty", b"\x00\x01x\x80"),
        after("a name in the Huffman code", b"\x00\x81\xf3\x01y"),
    ]
}

fn tables() -> Vec<Script> {
    let path = b"\x40\x05x-one\x01y";
    let refers = [&block(&fields())[..], b"\xbe"].concat();
    // closures, because no two calls may have the same message
    let second = || [headers(3, 0, &refers), last(3, &message())].concat();
    let first = || [headers(1, 0, &[&block(&fields())[..], path].concat()), last(1, &message())].concat();
    let refused = {
        // without a path
        let few: Vec<_> = fields().into_iter().filter(|(name, _)| name != b":path").collect();
        headers(1, 1, &[&block(&few)[..], path].concat())
    };
    let large = {
        let mut field = b"\x40\x01x".to_vec();
        integer(0, 7, 5000, &mut field);
        field.extend([b'y'; 5000]);
        [headers(1, 0, &[&block(&fields())[..], path, &field].concat()), last(1, &message())].concat()
    };
    let emptied = {
        let refers = [&update(0)[..], &update(4096), &refers].concat();
        [headers(3, 0, &refers), last(3, &message())].concat()
    };
    vec![
        Script::new("a field of the call before", [first(), second()].concat()).and([3]),
        Script::new("a field of a malformed call before", [refused, second()].concat()).and([3]),
        Script::new("a field larger than the table empties it", [large, second()].concat()).and([3]),
        Script::new("a size update empties the table", [first(), emptied].concat()).and([3]),
        Script::new("a block that cannot be decoded after a good call", {
            [good(1), headers(3, 0, b"\x80"), open(5, &fields())].concat()
        }),
    ]
}
