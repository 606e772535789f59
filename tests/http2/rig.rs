//! Peers that send raw frames, next to a well-behaved caller.

use crate::{
    messages::{
        Outcome::{self, Answered, Closed},
        outcome, whole,
    },
    rejections,
};
use testkit::{
    frames::{Peer, SETTINGS, WINDOW_UPDATE, frame},
    process::{Builder, Tollgate},
    rls::{Rls, ask, client, request},
};

const RULES: &str =
    "domain: edge\ndescriptors:\n  - {key: path, rate_limit: {unit: year, requests_per_unit: 4000000}}\n";

/// The service, with a well-behaved caller.
pub struct Rig {
    pub tollgate: Tollgate,
    other: Rls,
}

impl Rig {
    pub fn start(builder: Builder) -> Self {
        let tollgate = builder.rules(RULES).start();
        let other = client(tollgate.address("grpc"));
        Self { tollgate, other }
    }

    pub async fn connect(&self) -> Peer {
        Peer::connect(self.tollgate.address("grpc")).await
    }

    pub async fn other_is_answered(&mut self) {
        ask(&mut self.other, request("edge", &[&[("path", "/other")]])).await;
    }

    /// Sends each case on a connection of its own, and checks the outcome of the call on stream 1. If the connection is
    /// not closed, a call follows.
    pub async fn check(&mut self, cases: &[(&str, Vec<u8>, Outcome)]) {
        self.other_is_answered().await;
        for (name, bytes, expected) in cases {
            let mut peer = self.connect().await;
            peer.send_raw(bytes).await;
            self.other_is_answered().await;
            assert_eq!(outcome(&mut peer, 1).await, *expected, "{name}");
            if !matches!(expected, Closed(_)) {
                peer.send_raw(&whole(101)).await;
                assert_eq!(outcome(&mut peer, 101).await, Answered, "after {name}");
            }
            self.other_is_answered().await;
        }
        println!("raw frames: {} cases; counted {:?}", cases.len(), rejections(&self.tollgate).await);
    }
}

/// A field as a literal without indexing.
pub fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    let length = |text: &[u8]| u8::try_from(text.len()).expect("short");
    [&[0, length(name)], name, &[length(value)], value].concat()
}

pub fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

pub fn initial_window(size: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&[0, 4][..], &size.to_be_bytes()].concat())
}
