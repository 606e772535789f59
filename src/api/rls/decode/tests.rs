use std::num::NonZeroUsize;

use super::{wire::Fault, *};
use limiter::domain::{Unit, UnknownUnit};

const LIMITS: RequestLimits = limits(3, 2);

const fn limits(descriptors: usize, entries: usize) -> RequestLimits {
    RequestLimits {
        max_descriptors: NonZeroUsize::new(descriptors).expect("not zero"),
        max_entries: NonZeroUsize::new(entries).expect("not zero"),
    }
}

/// A length-delimited field.
fn field(number: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    let length = u8::try_from(content.len()).expect("short");
    assert!(length < 0x80, "one byte of length");
    [&[number << 3 | 2, length], content].concat()
}

fn number(number: u8, value: u8) -> Vec<u8> {
    vec![number << 3, value]
}

fn malformed(bytes: &[u8]) -> (usize, Fault) {
    match decode(bytes, &LIMITS) {
        Err(DecodeError::Malformed(Malformed { at, fault })) => (at, fault),
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn a_request_is_decoded_and_borrows_the_message() {
    let entry = field(1, [field(1, "path"), field(2, b"caf\xe9")].concat());
    let limit = field(2, [number(1, 7), number(2, 3)].concat());
    let hits = field(3, number(1, 5));
    let full = field(2, [entry.clone(), entry, limit, hits, number(4, 1)].concat());
    let bytes = [field(1, b"d\xff"), full, field(2, ""), number(3, 9)].concat();
    let request = decode(&bytes, &LIMITS).expect("a request");
    let empty = Descriptor { entries: SmallVec::new(), limit: None, amount: None, gives_back: false };
    let full = Descriptor {
        entries: SmallVec::from_elem(Entry::new("path", b"caf\xe9"), 2),
        limit: Some(LimitOverride { requests: 7, unit: Ok(Unit::Hour) }),
        amount: Some(5),
        gives_back: true,
    };
    assert_eq!(request, Request { domain: b"d\xff", descriptors: SmallVec::from_vec(vec![full, empty]), amount: 9 });
    assert!(bytes.as_ptr_range().contains(&request.descriptors[0].entries[1].value.as_ptr()));
}

#[test]
fn an_empty_message_is_an_empty_request() {
    let request = decode(b"", &LIMITS).expect("a request");
    assert_eq!(request, Request { domain: b"", descriptors: SmallVec::new(), amount: 0 });
}

#[test]
fn the_last_scalar_counts_and_messages_merge() {
    let limit = [field(2, [number(1, 1), number(2, 1)].concat()), field(2, number(2, 2)), field(2, "")].concat();
    let hits = [field(3, number(1, 5)), field(3, "")].concat();
    let entry = field(1, [field(2, "a"), field(1, "k"), field(2, "b")].concat());
    let descriptor = field(2, [limit, hits, entry, number(4, 1), number(4, 0)].concat());
    let bytes = [field(1, "a"), number(3, 1), descriptor, field(1, "b"), number(3, 2)].concat();
    let request = decode(&bytes, &LIMITS).expect("a request");
    assert_eq!((request.domain, request.amount), (&b"b"[..], 2));
    let descriptor = &request.descriptors[0];
    assert_eq!(descriptor.limit, Some(LimitOverride { requests: 1, unit: Ok(Unit::Minute) }));
    assert_eq!((descriptor.amount, descriptor.gives_back), (Some(5), false));
    assert_eq!(descriptor.entries[..], [Entry::new("k", "b")]);
}

#[test]
fn an_empty_wrapper_is_a_zero() {
    let request = [field(2, field(3, ""))].concat();
    assert_eq!(decode(&request, &LIMITS).expect("a request").descriptors[0].amount, Some(0));
}

#[test]
fn numbers_are_truncated_to_their_type() {
    let long = [0x18, 0xff, 0xff, 0xff, 0xff, 0x7f];
    assert_eq!(decode(&long, &LIMITS).expect("a request").amount, u64::from(u32::MAX));
    // a negative number of an enum has ten bytes
    let negative = [&[0x10][..], &[0xff; 9], &[1]].concat();
    let limit = decode(&field(2, field(2, negative)), &LIMITS).expect("a request").descriptors[0].limit;
    assert_eq!(limit, Some(LimitOverride { requests: 0, unit: Err(UnknownUnit(-1)) }));
}

#[test]
fn a_malformed_message_is_an_error_with_the_position() {
    let eleven = [&[0x18][..], &[0x80; 10], &[0]].concat();
    let too_large = [&[0x18][..], &[0xff; 9], &[2]].concat();
    for (bytes, at, fault) in [
        (&[0x0a][..], 1, Fault::Varint),
        (&[0x18, 0x80], 1, Fault::Varint),
        (&eleven, 1, Fault::Varint),
        (&too_large, 1, Fault::Varint),
        (&[0x18, 1, 0xf8, 0xff, 0xff, 0xff, 0x1f], 2, Fault::Key(0x1_ffff_fff8)),
        (&[0x18, 1, 0x02, 0], 2, Fault::FieldNumber),
        (&[0x1e], 0, Fault::WireType(6)),
        (&[0x08, 1], 1, Fault::Mismatch { field: 1, wire_type: 0 }),
        (&[0x1a, 0], 1, Fault::Mismatch { field: 3, wire_type: 2 }),
        (&[0x0a, 3, b'a', b'b'], 1, Fault::Length { length: 3, left: 2 }),
        (&[0x12, 2, 0x0a, 1, 0], 3, Fault::Length { length: 1, left: 0 }),
        (&[0x25, 1, 2, 3], 1, Fault::Length { length: 4, left: 3 }),
        (&[0x24], 1, Fault::Group(4)),
        (&[0x23, 0x2c], 2, Fault::Group(5)),
        (&[0x23], 1, Fault::Varint),
    ] {
        assert_eq!(malformed(bytes), (at, fault), "{bytes:x?}");
    }
    let text = decode(&[0x0a, 3, b'a'], &LIMITS).expect_err("a fault").to_string();
    assert_eq!(text, "the message is not a RateLimitRequest: a length of 3 with only 1 bytes left at byte 1");
}

#[test]
fn the_depth_of_unknown_groups_is_bounded() {
    let nested = |depth: usize| [vec![0x23; depth], vec![0x24; depth]].concat();
    assert!(decode(&nested(100), &LIMITS).is_ok());
    assert_eq!(malformed(&nested(101)), (101, Fault::Depth));
    // messages count as levels too
    let in_message = |depth| field(2, [vec![0x2b; depth], vec![0x2c; depth]].concat());
    assert!(decode(&in_message(60), &LIMITS).is_ok());
    let million = vec![0x23; 1 << 20];
    assert_eq!(malformed(&million), (101, Fault::Depth), "the stack does not grow with the message");
}

#[test]
fn descriptors_and_entries_beyond_the_limits_are_counted_and_not_stored() {
    let many = field(2, "").repeat(1_000_000);
    let too_many = DecideError::TooManyDescriptors { count: 1_000_000, max: 3 };
    assert_eq!(decode(&many, &LIMITS), Err(DecodeError::TooMany(too_many)));
    let entries = [field(2, ""), field(2, field(1, "").repeat(3))].concat();
    let too_many = DecideError::TooManyEntries { descriptor: 1, count: 3, max: 2 };
    assert_eq!(decode(&entries, &LIMITS), Err(DecodeError::TooMany(too_many)));
    // a malformed message takes precedence, wherever the fault is
    let broken = [&many[..], &[0x0a]].concat();
    assert_eq!(malformed(&broken), (many.len() + 1, Fault::Varint));
}

#[test]
fn every_unit_has_its_number() {
    for unit in Unit::ALL {
        let wire = u8::try_from(crate::api::rls::unit::unit_number(unit)).expect("small");
        let bytes = field(2, field(2, [number(1, 3), number(2, wire)].concat()));
        let limit = decode(&bytes, &LIMITS).expect("a request").descriptors[0].limit;
        assert_eq!(limit, Some(LimitOverride { requests: 3, unit: Ok(unit) }));
    }
    for wire in [0, 8, 99] {
        let bytes = field(2, field(2, number(2, wire)));
        let limit = decode(&bytes, &LIMITS).expect("a request").descriptors[0].limit;
        assert_eq!(limit, Some(LimitOverride { requests: 0, unit: Err(UnknownUnit(i32::from(wire))) }));
    }
}
