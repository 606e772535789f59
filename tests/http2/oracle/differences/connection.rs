//! Differences in frames and connections.

use super::Topic;
use crate::oracle::servers::Other::{GrpcGo, Hyper};

pub const TOPICS: &[Topic] = &[
    Topic {
        what: "padding longer than its HEADERS",
        ours: "the connection is closed",
        others: "grpc-go resets the stream",
        why: "the block was not decoded, and later ones may depend on it",
        seen: &[(
            GrpcGo,
            "1 reset PROTOCOL_ERROR; open",
            &[
                "HEADERS padded as long as the payload",
                "HEADERS padded longer than the payload",
                "HEADERS padded over the priority",
            ],
        )],
    },
    Topic {
        what: "a stream that depends on itself",
        ours: "the stream is reset; the connection closed, if the stream is idle",
        others: "hyper ignores PRIORITY on an idle stream; grpc-go ignores all",
        why: "RFC 7540, section 5.3.1, and h2spec: no correct client sends it",
        seen: &[
            (
                GrpcGo,
                "1 is OK; open",
                &[
                    "a priority that depends on itself",
                    "a priority that depends on itself alone",
                    "PRIORITY of an open stream on itself",
                ],
            ),
            (Hyper, "open", &["PRIORITY of an idle stream on itself"]),
            (GrpcGo, "open", &["PRIORITY of an idle stream on itself"]),
        ],
    },
    Topic {
        what: "DATA, RST_STREAM or WINDOW_UPDATE on an idle stream; a window that overflows; PUSH_PROMISE; \
               SETTINGS out of range",
        ours: "the connection is closed, or the stream reset",
        others: "grpc-go ignores them",
        why: "RFC 9113, sections 5.1, 6.5.2, 6.6 and 6.9.1",
        seen: &[
            (
                GrpcGo,
                "open",
                &[
                    "DATA on an idle stream",
                    "DATA on an even idle stream",
                    "RST_STREAM on an idle stream",
                    "RST_STREAM on an even idle stream",
                    "WINDOW_UPDATE on an idle stream",
                    "WINDOW_UPDATE on an even idle stream",
                    "WINDOW_UPDATE that overflows the connection",
                    "PUSH_PROMISE on an open stream",
                    "SETTINGS with a good and a bad value",
                ],
            ),
            (GrpcGo, "1 is OK; open", &["WINDOW_UPDATE that overflows a stream"]),
            (
                GrpcGo,
                "1 to 3 is OK; open",
                &["ENABLE_PUSH of 2", "MAX_FRAME_SIZE of 0", "MAX_FRAME_SIZE of 16383", "MAX_FRAME_SIZE of 16777216"],
            ),
            (GrpcGo, "1 nothing; open", &["SETTINGS that overflow a stream's window"]),
        ],
    },
    Topic {
        what: "DATA on a stream that was reset, or after the end of a request",
        ours: "RST_STREAM with STREAM_CLOSED; an answer that was sent remains valid",
        others: "hyper closes the connection for DATA after the end of a request that it has not answered, and \
               grpc-go resets that call; it ignores DATA on a stream that was reset",
        why: "RFC 9113, section 5.1: a stream error",
        seen: &[
            (GrpcGo, "1 nothing; open", &["DATA on a stream that its client reset"]),
            (Hyper, "closed PROTOCOL_ERROR", &["DATA beyond the end, without waiting"]),
            (GrpcGo, "1 reset STREAM_CLOSED; open", &["DATA beyond the end, without waiting"]),
        ],
    },
    Topic {
        what: "a WINDOW_UPDATE of 0 on a stream",
        ours: "the stream is reset, or nothing, if it is answered",
        others: "hyper closes the connection",
        why: "RFC 9113, section 6.9, requires a stream error, and a closed stream may still receive one",
        seen: &[(
            Hyper,
            "closed PROTOCOL_ERROR",
            &[
                "WINDOW_UPDATE of 0 on an answered stream",
                "WINDOW_UPDATE of 0 on a stream",
                "WINDOW_UPDATE of 0 on a stream of the reserved bit",
            ],
        )],
    },
    Topic {
        what: "a GOAWAY from the client",
        ours: "calls continue, and more may follow, until it closes the connection",
        others: "hyper closes the connection when its streams have ended",
        why: "it tells the server not to open streams (RFC 9113, section 6.8), which a gRPC server never does",
        seen: &[
            (Hyper, "closed NO_ERROR", &["a GOAWAY NO_ERROR", "a GOAWAY ENHANCE_YOUR_CALM with words"]),
            (Hyper, "1 is OK; closed NO_ERROR", &["a GOAWAY while a call goes on"]),
        ],
    },
    Topic {
        what: "more than two PINGs without a call between them",
        ours: "answered, up to 10 000 at once",
        others: "grpc-go closes the connection unless they are five minutes apart",
        why: "proxies have keepalives of seconds; the bound is that of all small frames: \
               [security.md](../security.md#http2)",
        seen: &[(GrpcGo, "closed", &["five PINGs"])],
    },
    Topic {
        what: "PRIORITY_UPDATE (RFC 9218) that is malformed",
        ours: "ignored, as all frames of unknown types",
        others: "grpc-go closes the connection",
        why: "priorities are not implemented",
        seen: &[(GrpcGo, "closed", &["frames of the type 0x10"])],
    },
    Topic {
        what: "a first frame other than SETTINGS",
        ours: "PROTOCOL_ERROR",
        others: "hyper accepts any; grpc-go accepts an acknowledgement",
        why: "RFC 9113, section 3.4",
        seen: &[
            (
                Hyper,
                "open",
                &[
                    "a PING as the first frame",
                    "HEADERS as the first frame",
                    "an acknowledgement as the first frame",
                    "a frame of an unknown type as the first frame",
                ],
            ),
            (GrpcGo, "open", &["an acknowledgement as the first frame"]),
        ],
    },
    Topic {
        what: "an acknowledgement of SETTINGS that were acknowledged; ENABLE_CONNECT_PROTOCOL above 1",
        ours: "ignored",
        others: "hyper: PROTOCOL_ERROR",
        why: "neither does harm: CONNECT is not supported",
        seen: &[(Hyper, "closed PROTOCOL_ERROR", &["ENABLE_CONNECT_PROTOCOL of 2", "SETTINGS acknowledged twice"])],
    },
    Topic {
        what: "MAX_HEADER_LIST_SIZE below the size of an answer's headers",
        ours: "answered anyway",
        others: "grpc-go resets the stream",
        why: "the setting is advisory (RFC 9113, section 6.5.2), and an answer is better than none",
        seen: &[(
            GrpcGo,
            "1 to 3 reset INTERNAL_ERROR; open, and the next call reset INTERNAL_ERROR",
            &["MAX_HEADER_LIST_SIZE of 0", "MAX_HEADER_LIST_SIZE of 1", "MAX_HEADER_LIST_SIZE of 100"],
        )],
    },
    Topic {
        what: "HEADERS on a stream that its client has reset",
        ours: "a stream error: trailers may have been in flight",
        others: "hyper: GOAWAY; grpc-go closes the connection",
        why: "one late frame must not end other calls; it is counted like any frame that begins no call",
        seen: &[
            (Hyper, "closed PROTOCOL_ERROR", &["HEADERS on a stream that its client reset"]),
            (GrpcGo, "closed", &["HEADERS on a stream that its client reset"]),
        ],
    },
];
