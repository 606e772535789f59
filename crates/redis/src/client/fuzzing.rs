//! The entry point of the fuzz target for replies (tests/fuzz): passes bytes of an arbitrary peer through all code that
//! reads replies of Redis.

use super::{
    Reply, cure,
    redirection::{Redirection, nowhere, ranges},
    wire::{ReplyLimit, decode_chunks},
};
use limiter::domain::{Algorithm, Charge, Group, Hit, KeyBuilder, KeyValue, Limit, Unit};

use crate::{Credentials, Entry, Server, decode, refusal};

/// A lower limit than any call has, so that inputs also exceed it.
const LIMIT: ReplyLimit = ReplyLimit { bytes: 4096, items: 256 };

/// Decodes the bytes in chunks of this size, and interprets every reply in them.
///
/// # Panics
/// If a check fails: the size of the chunks makes a difference, or a bound does not hold.
pub fn read_replies(bytes: &[u8], chunk: usize) {
    let whole = decode_chunks([bytes], LIMIT);
    let parts = decode_chunks(bytes.chunks(chunk.max(1)), LIMIT);
    assert_eq!(whole, parts, "chunks of {chunk} make a difference");
    for reply in whole.into_iter().flatten() {
        match reply {
            Ok(reply) => read(&reply),
            Err(text) => explain(&text),
        }
    }
}

fn read(reply: &Reply) {
    for range in ranges(reply, "here") {
        assert!(range.slots.end <= 16_384 && !range.slots.is_empty() && range.at.host.len() <= 253, "{range:?}");
    }
    let _ = (nowhere(reply), reply.to_string());
    if let Reply::Bytes(bytes) = reply {
        for entries in entries() {
            if let Ok((_, answers)) = decode(&entries, &Server::unknown(), bytes) {
                assert_eq!(answers.len(), entries.len());
            }
        }
    }
}

fn explain(text: &str) {
    assert!(text.len() <= 3 * 1024, "an error of {} bytes", text.len());
    let _ = (Redirection::parse(text, "here"), refusal::of(text), refusal::is_unknown_command(text));
    for has_slots in [false, true] {
        let _ = refusal::is_sticky(text, has_slots);
        let _ = cure::of(text, has_slots, &Credentials::None, "mine:");
    }
}

/// Calls of each kind of counter and group.
fn entries() -> [Vec<Entry>; 3] {
    let hit = |value: &[u8], algorithm, charge| {
        let limit = Limit::new(algorithm, 10, Unit::Minute.into(), None, None).expect("a limit");
        let entry = (&b"k"[..], KeyValue::Exact(value));
        let key = KeyBuilder::new("").domain("d").base([entry]).counter(algorithm, Unit::Minute.into());
        Hit::new(key, limit, charge)
    };
    use Algorithm::{FixedWindow, SlidingWindow, TokenBucket};
    let fixed = || hit(b"a", FixedWindow, Charge::Take(3));
    let group =
        || Group::new([fixed(), hit(b"b", SlidingWindow, Charge::Take(1)), hit(b"c", TokenBucket, Charge::Take(2))]);
    let mut twice = Entry::new(group());
    twice.again();
    [
        vec![Entry::new(Group::single(fixed()))],
        vec![Entry::new(group().atomic()), Entry::new(Group::single(hit(b"c", TokenBucket, Charge::Take(1))))],
        vec![twice],
    ]
}
