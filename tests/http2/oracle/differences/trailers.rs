//! Differences in trailers.

use super::Topic;
use crate::oracle::servers::Other::{GrpcGo, Hyper};

pub const TOPICS: &[Topic] = &[
    Topic {
        what: "trailers",
        ours: "accepted, if they are well-formed",
        others: "grpc-go closes the connection when a client sends trailers",
        why: "RFC 9113, section 8.1, allows them",
        seen: &[(
            GrpcGo,
            "closed",
            &[
                "content-length of the message, and trailers",
                "content-length one more than the message, and trailers",
                "content-length one less than the message, and trailers",
                "trailers of one field",
                "trailers without a field",
                "trailers of 1000 octets",
                "trailers with grpc-status",
                "trailers in place of a message",
                "trailers that are continued",
                "trailers after half a message",
                "trailers with \":path: /x\"",
                "trailers with \":status: 200\"",
                "trailers with \"x:  y\"",
                "trailers with \"connection: close\"",
                "trailers with \"te: gzip\"",
                "trailers with \"content-length: 7\"",
                "trailers with \"content-length: x\"",
                "trailers of a whole head",
                "trailers that do not end the stream",
                "a second head that does not end the stream",
                "health: trailers",
                "reflection: trailers",
            ],
        )],
    },
    Topic {
        what: "trailers with a pseudo-header, or with a `content-length` that is not a number",
        ours: "the stream is reset with PROTOCOL_ERROR",
        others: "hyper drops them",
        why: "RFC 9113, section 8.1, defines them as malformed",
        seen: &[(
            Hyper,
            "1 is OK; open",
            &[
                "trailers with \":path: /x\"",
                "trailers with \":status: 200\"",
                "trailers with \"content-length: x\"",
                "trailers of a whole head",
            ],
        )],
    },
];
