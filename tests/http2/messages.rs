//! Calls in raw frames, and their outcomes.

use std::collections::BTreeMap;

use prost::Message as _;

use testkit::{
    frames::{DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, Peer, RST_STREAM, call, frame},
    raw,
    rls::request,
};

/// A message to the service, with its gRPC prefix.
pub fn message() -> Vec<u8> {
    raw::frame(0, &request("edge", &[&[("path", "/")]]).encode_to_vec()).to_vec()
}

/// HEADERS of a call on this stream.
pub fn head(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &call(b"\x01\x01a"))
}

pub fn data(stream: u32, flags: u8, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, flags, stream, bytes)
}

/// A complete call.
pub fn whole(stream: u32) -> Vec<u8> {
    [head(stream), data(stream, END_STREAM, &message())].concat()
}

/// The outcome of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is decided.
    Answered,
    /// Its response has this status.
    Status(u8),
    /// Its stream is reset with this code.
    Reset(u8),
    /// The connection is closed with this code.
    Closed(u8),
}

/// Waits for the outcome of a call; calls on other streams may continue.
pub async fn outcome(peer: &mut Peer, stream: u32) -> Outcome {
    outcomes(peer, &[stream]).await[0]
}

/// The same for several calls, in any order. A connection that is closed has no more outcomes.
pub async fn outcomes(peer: &mut Peer, streams: &[u32]) -> Vec<Outcome> {
    let mut known = BTreeMap::new();
    while known.len() < streams.len() {
        let frame = peer.next_or_end(&[HEADERS, RST_STREAM, GOAWAY]).await;
        let Frame { kind, flags, stream, payload } = frame.expect("not closed without a GOAWAY");
        let outcome = match kind {
            GOAWAY if payload[7] != 0 => {
                assert!(peer.next_or_end(&[DATA, HEADERS, RST_STREAM]).await.is_none(), "nothing follows");
                return vec![Outcome::Closed(payload[7]); streams.len()];
            }
            RST_STREAM => Outcome::Reset(payload[3]),
            HEADERS if flags & END_STREAM != 0 => status(&payload),
            _ => continue,
        };
        if streams.contains(&stream) {
            known.entry(stream).or_insert(outcome);
        }
    }
    streams.iter().map(|stream| known[stream]).collect()
}

/// The status in the block of trailers. Our blocks do not use the dynamic table.
pub fn status(block: &[u8]) -> Outcome {
    let (mut block, mut fields) = (block.to_vec(), Vec::new());
    httlib_hpack::Decoder::default().decode(&mut block, &mut fields).expect("a block");
    let status = fields.iter().find(|(name, ..)| name == b"grpc-status").map(|(_, value, _)| value);
    match status.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok()) {
        Some(0) => Outcome::Answered,
        Some(status) => Outcome::Status(status),
        None => panic!("no status: {fields:?}"),
    }
}
