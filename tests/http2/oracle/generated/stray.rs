//! Arbitrary frames of every type.

use proptest::{collection::vec, prelude::*};

use crate::{
    oracle::script::{block, fields},
    rig::{initial_window, window_update},
};
use testkit::frames::{ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PING, SETTINGS, frame};

/// A frame that changes nothing. PINGs are not included, because grpc-go closes the connection after some.
pub fn noise() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<[u8; 8]>().prop_map(|payload| frame(PING, ACK, 0, &payload)),
        (0x20..=255_u8, any::<u8>(), 0..20_u32, vec(any::<u8>(), 0..20))
            .prop_map(|(kind, flags, stream, payload)| frame(kind, flags, stream, &payload)),
        (1..20_u32, any::<u8>()).prop_map(|(stream, weight)| frame(2, 0, stream, &[0, 0, 0, 0, weight])),
        (1..1000_u32).prop_map(|increment| window_update(0, increment)),
        (65_535..70_000_u32).prop_map(initial_window),
        Just(frame(SETTINGS, 0, 0, &[])),
    ]
}

/// A frame of any type, most of them with a payload length that the type allows.
pub fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let block = block(&fields());
    let payload = prop_oneof![
        vec(any::<u8>(), 0..20),
        vec(any::<u8>(), 8),
        any::<[u8; 4]>().prop_map(|number| number.to_vec()),
        (0..3_u8).prop_map(|number| vec![0, 0, 0, number]),
        // an odd stream must not depend on itself
        any::<u8>().prop_map(|weight| vec![0, 0, 0, 0, weight]),
        (0..7_u8, 0..3_u8).prop_map(|(id, value)| vec![0, id, 0, 0, 0, value]),
        Just(block),
        Just(Vec::new()),
    ];
    let flags = prop_oneof![Just(0), Just(END_STREAM), Just(END_HEADERS), Just(END_STREAM | END_HEADERS), any::<u8>()];
    // except PUSH_PROMISE, which RFC 9113 forbids
    let kind = prop_oneof![2 => 0..5_u8, 2 => 6..=9_u8, 2 => Just(DATA), 2 => Just(HEADERS), 1 => 0x20..=255_u8];
    let stream = prop_oneof![3 => Just(0), 3 => Just(1), 2 => Just(3), 1 => 0..9_u32];
    (kind, flags, stream, payload).prop_map(|(kind, flags, stream, payload)| frame(kind, flags, stream, &payload))
}
