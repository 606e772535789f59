//! Encodes fields to blocks, without state: nothing is indexed.

use super::huffman;
use super::statics::{self, Found};

/// Statuses with an entry in the static table; the first one has this index.
const STATUSES: (u8, [u16; 7]) = (8, [200, 204, 206, 304, 400, 404, 500]);

/// Appends `:status` with three digits.
pub fn put_status(status: u16, out: &mut Vec<u8>) {
    let (first, known) = STATUSES;
    match (first..).zip(known).find(|(_, known)| *known == status) {
        Some((index, _)) => out.push(0x80 | index),
        None => {
            let digit = |unit: u16| b'0' + (status / unit % 10) as u8;
            out.push(first);
            put_text(&[digit(100), digit(10), digit(1)], out);
        }
    }
}

/// Appends a field: as an entry of the static table if there is one, else as a literal without indexing, whose name may
/// refer to an entry.
pub fn put_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    match statics::find(name, value) {
        Found::Field(index) => return put_integer(0x80, 7, index, out),
        Found::Name(index) => put_integer(0, 4, index, out),
        Found::Nothing => {
            out.push(0);
            put_text(name, out);
        }
    }
    put_text(value, out);
}

/// Appends a size update to zero. It is needed at the start of the first block after the peer reduced its
/// SETTINGS_HEADER_TABLE_SIZE (RFC 7541, section 4.2), and only once, because the table stays at zero.
pub fn put_size_update_zero(out: &mut Vec<u8>) {
    out.push(0x20);
}

/// Appends a string, Huffman-encoded if that is shorter.
fn put_text(text: &[u8], out: &mut Vec<u8>) {
    let length = huffman::encoded_length(text);
    if length < text.len() {
        put_integer(0x80, 7, length, out);
        huffman::encode(text, out);
    } else {
        put_integer(0, 7, text.len(), out);
        out.extend_from_slice(text);
    }
}

/// Appends an integer with a prefix of this many bits; the other bits of its first octet come from `first`.
fn put_integer(first: u8, prefix: u8, value: usize, out: &mut Vec<u8>) {
    let full = (1 << prefix) - 1;
    let Some(mut rest) = value.checked_sub(full) else {
        out.push(first | value as u8);
        return;
    };
    out.push(first | full as u8);
    while rest >= 0x80 {
        out.push(0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    out.push(rest as u8);
}
