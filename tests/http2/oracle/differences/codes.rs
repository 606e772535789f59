//! Differences in header blocks, and in error codes.

use super::Topic;
use crate::oracle::servers::Other::{GrpcGo, Hyper};

pub const TOPICS: &[Topic] = &[
    Topic {
        what: "an error that ends the connection",
        ours: "the GOAWAY has the code that RFC 9113 and RFC 7541 name: COMPRESSION_ERROR, FRAME_SIZE_ERROR, \
               FLOW_CONTROL_ERROR, STREAM_CLOSED",
        others: "hyper: PROTOCOL_ERROR for all; grpc-go closes without a GOAWAY, so its codes are not compared",
        why: "the code names the peer's error",
        seen: &[(
            Hyper,
            "closed PROTOCOL_ERROR",
            &[
                "HEADERS padded over the priority",
                "a priority that is truncated",
                "a size update to 4097",
                "a size update to 1 GiB",
                "a size update within a block",
                "a size update after a block",
                "a size update within a block when the table is in use",
                "the index 0",
                "the index 62 of an empty table",
                "the index 127 of an empty table",
                "a name of the index 62 of an empty table",
                "an integer of five octets",
                "an integer of ten octets",
                "an integer that is truncated",
                "an index of 2^32",
                "a string that is truncated",
                "a string without its length",
                "a string of 4 GiB",
                "Huffman code that is filled with zeros",
                "Huffman code that is filled with an octet",
                "Huffman code with the end of strings",
                "a field larger than the table empties it",
                "a size update empties the table",
                "a block that cannot be decoded after a good call",
                "HEADERS on a stream that is closed",
                "trailers on an answered stream",
                "a PING of seven octets",
                "a PING of nine octets",
                "a PING that is empty",
                "a PING of seven octets that acknowledges none",
                "WINDOW_UPDATE of three octets",
                "WINDOW_UPDATE of five octets",
                "WINDOW_UPDATE of three octets on a stream",
                "PRIORITY of four octets",
                "PRIORITY of six octets",
                "PRIORITY of four octets on an open stream",
                "RST_STREAM of three octets",
                "RST_STREAM of five octets",
                "a GOAWAY of seven octets",
                "SETTINGS of five octets as the first frame",
                "INITIAL_WINDOW_SIZE of 2147483648",
                "INITIAL_WINDOW_SIZE of 4294967295",
                "SETTINGS of five octets",
                "SETTINGS of seven octets",
                "SETTINGS acknowledged with a payload",
            ],
        )],
    },
    Topic {
        what: "HPACK: three size updates, one within a block, an integer of more than five octets",
        ours: "COMPRESSION_ERROR",
        others: "hyper accepts three size updates; grpc-go accepts these, long integers, and updates anywhere while \
                 its table is empty",
        why: "RFC 7541, section 4.2, allows at most two, and only at the start; section 5.1 requires a bound on \
              integers",
        seen: &[
            (Hyper, "1 is OK; open", &["three size updates"]),
            (
                GrpcGo,
                "1 is OK; open",
                &[
                    "three size updates",
                    "a size update within a block",
                    "a size update after a block",
                    "an integer of five octets",
                ],
            ),
        ],
    },
];
