//! Attacks that make the other end hold something: endless requests and responses, and many of each.

use super::{
    attack::Attack,
    floods::{bomb, exploding, preface, resets, whole_calls},
};
use crate::{messages::head, rig::initial_window};
use testkit::frames::{CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, WINDOW_UPDATE, frame};

/// The number of connections of attacks with many: 200 when they are measured.
fn many() -> usize {
    if super::length().is_some() { 200 } else { 40 }
}

/// A preface whose initial window admits no byte of DATA.
fn no_window() -> Vec<u8> {
    [preface(), initial_window(0)].concat()
}

fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|number| 2 * number + 1)
}

fn open(stream: u32, path: &[u8]) -> Vec<u8> {
    let block = [&b"\x83\x86\x04"[..], &[path.len() as u8], path, b"\x0f\x10\x10application/grpc"].concat();
    frame(HEADERS, END_HEADERS, stream, &block)
}

/// As many messages as a connection may have, none of which ends.
fn partial() -> Vec<u8> {
    let piece = [&b"\0\0\x3f\0\0"[..], &[0; 15_995]].concat();
    [preface(), streams(1000).flat_map(|stream| [head(stream), frame(DATA, 0, stream, &piece)].concat()).collect()]
        .concat()
}

/// A call of `Watch` of the health service.
fn watch(stream: u32) -> Vec<u8> {
    let asked = b"\0\0\0\0\x0b\x0a\x09ratelimit";
    [open(stream, b"/grpc.health.v1.Health/Watch"), frame(DATA, END_STREAM, stream, asked)].concat()
}

fn watches() -> Vec<u8> {
    streams(1000).flat_map(watch).collect()
}

const REFLECTING: u32 = 100;

fn reflection() -> Vec<u8> {
    streams(REFLECTING)
        .flat_map(|stream| open(stream, b"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"))
        .collect()
}

/// Requests of 60 bytes on each stream, whose responses are 19 times as long.
fn questions(frames: usize) -> Vec<u8> {
    let symbol = b"envoy.service.ratelimit.v3.RateLimitService";
    let length = symbol.len() as u8;
    let question = [&[0, 0, 0, 0, length + 2, 0x22, length][..], symbol].concat().repeat(300);
    (0..frames).flat_map(|_| streams(REFLECTING).flat_map(|stream| frame(DATA, 0, stream, &question))).collect()
}

/// An incomplete header block of almost 2 MiB.
fn unfinished_block() -> Vec<u8> {
    // the length of a value: 127, and 15 873 in seven bits per byte
    let field = [&b"\x00\x01x\x7f\x81\x7c"[..], &[b'x'; 16_000]].concat();
    [preface(), frame(HEADERS, 0, 1, &field), frame(CONTINUATION, 0, 1, &field).repeat(120)].concat()
}

fn byte_of_a_frame(round: u32) -> Vec<u8> {
    // first the frame header, then the payload
    frame(HEADERS, 0, 1, &[0; 16_000]).get(round as usize).copied().into_iter().collect()
}

pub fn holds() -> Vec<Attack> {
    let hundred_heads: Vec<u8> =
        streams(100).flat_map(|stream| [head(stream), frame(DATA, 0, stream, b"\0\0\x3f\0\0")].concat()).collect();
    vec![
        Attack::flood("answers that have no window", no_window(), whole_calls),
        Attack::trickle("answers whose windows grow by a byte", [no_window(), whole_calls(0)].concat(), |_| {
            streams(100).flat_map(|stream| frame(WINDOW_UPDATE, 0, stream, &[0, 0, 0, 1])).collect()
        }),
        Attack::flood("answers, unread", preface(), whole_calls).unread(),
        Attack::hold("messages that do not come whole", partial()),
        Attack::hold("calls without their messages", [preface(), streams(1000).flat_map(head).collect()].concat()),
        Attack::trickle("messages that come byte by byte", [preface(), hundred_heads].concat(), |_| {
            streams(100).flat_map(|stream| frame(DATA, 0, stream, b"x")).collect()
        }),
        Attack::trickle("a frame that comes byte by byte", preface(), byte_of_a_frame),
        Attack::hold("a header block without its end", unfinished_block()),
        Attack::hold("reflection that has no window", [no_window(), reflection(), questions(8)].concat()),
        Attack::flood("reflection, unread", [preface(), reflection()].concat(), |_| questions(1)).unread(),
        Attack::hold("1000 Watches", [preface(), watches()].concat()),
        Attack::hold("1000 Watches that have no window", [no_window(), watches()].concat()),
    ]
}

/// The worst of them, on many connections.
pub fn crowds() -> Vec<Attack> {
    let attacks = vec![
        Attack::hold("many × nothing said", Vec::new()),
        Attack::trickle("many × a preface that comes byte by byte", Vec::new(), |round| {
            preface().get(round as usize).copied().into_iter().collect()
        }),
        Attack::flood("many × streams that are reset", preface(), resets),
        Attack::flood("many × header bombs", bomb(), exploding),
        Attack::flood("many × answers that have no window", no_window(), whole_calls),
        Attack::flood("many × answers, unread", preface(), whole_calls).unread(),
        Attack::hold("many × messages that do not come whole", partial()),
        Attack::hold("many × a header block without its end", unfinished_block()),
        Attack::hold("many × reflection that has no window", [no_window(), reflection(), questions(8)].concat()),
        Attack::flood("many × reflection, unread", [preface(), reflection()].concat(), |_| questions(1)).unread(),
        Attack::hold("many × 1000 Watches", [preface(), watches()].concat()),
    ];
    attacks.into_iter().map(|attack| attack.by(many())).collect()
}

/// Attacks on connections that receive GOAWAY: the PING after it is never acknowledged.
pub fn stayers() -> Vec<Attack> {
    vec![
        Attack::hold("many × aged, no PING acknowledged", preface()).by(many()),
        Attack::hold("many × aged, no PING acknowledged, a Watch open", [preface(), watch(1)].concat()).by(many()),
    ]
}

/// The start of a TLS handshake.
const HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

/// Attacks on TLS handshakes.
pub fn handshakes() -> Vec<Attack> {
    vec![
        Attack::flood("plain text to the TLS port", Vec::new(), |_| preface().repeat(100)),
        Attack::flood("TLS alerts", Vec::new(), |_| b"\x15\x03\x01\x00\x02\x02\x28".to_vec()),
        Attack::flood("hellos that are cut", Vec::new(), |_| HELLO.repeat(60)),
        Attack::hold("many × a hello without its end", HELLO.to_vec()).by(many()),
        Attack::trickle("many × a hello that comes byte by byte", HELLO.to_vec(), |_| vec![0]).by(many()),
    ]
}
