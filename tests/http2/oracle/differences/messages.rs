//! Differences in messages.

use super::Topic;
use crate::oracle::servers::Other::GrpcGo;

pub const TOPICS: &[Topic] = &[
    Topic {
        what: "a text that is not UTF-8",
        ours: "decided by its bytes",
        others: "grpc-go, and prost: INTERNAL",
        why: "Envoy forwards header values unchanged, with any bytes; a call that is rejected is a call without a \
              limit",
        seen: &[(
            GrpcGo,
            "1 is 13; open",
            &["a domain that is not UTF-8", "a key that is not UTF-8", "a value that is not UTF-8"],
        )],
    },
    Topic {
        what: "a field with the wrong wire type",
        ours: "INTERNAL, as by prost",
        others: "grpc-go treats it as an unknown field",
        why: "either is allowed; such a message was written for another service",
        seen: &[
            (GrpcGo, "1 is 3; open", &["a domain as a number"]),
            (GrpcGo, "1 is OK; open", &["hits with the wire type of a text"]),
        ],
    },
    Topic {
        what: "a request in gzip",
        ours: "the answer is not compressed",
        others: "grpc-go compresses it in the same way",
        why: "answers have a few dozen bytes",
        seen: &[(
            GrpcGo,
            "1 is OK, compressed; open",
            &["gzip", "gzip, and a message that is not compressed", "gzip in two members"],
        )],
    },
    Topic {
        what: "a second message that is too large",
        ours: "INTERNAL, as for any second message",
        others: "grpc-go: RESOURCE_EXHAUSTED",
        why: "its length does not matter, since a second message is an error anyway",
        seen: &[(GrpcGo, "1 is 8; open", &["a message above the largest size after the message"])],
    },
    Topic {
        what: "to reflection, an unreadable message",
        ours: "OK without a message, by tonic",
        others: "grpc-go: INTERNAL, or RESOURCE_EXHAUSTED",
        why: "it does not let any call bypass a limit",
        seen: &[
            (
                GrpcGo,
                "1 is 13; open",
                &[
                    "reflection: a message that is truncated",
                    "reflection: the flag 2",
                    "reflection: protobuf that is malformed",
                    "reflection: a name that is not UTF-8",
                    "reflection: compressed without an encoding",
                ],
            ),
            (GrpcGo, "1 is 8; open", &["reflection: a message of 4 GiB"]),
        ],
    },
];
