//! Tests of the whole filter: with another HPACK implementation, with h2, and with streams cut into arbitrary pieces.

mod rejected;
mod wire;

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use httlib_hpack::Decoder;
use proptest::{prelude::*, strategy::ValueTree as _};
use tokio::io::{AsyncRead, ReadBuf};

use super::{
    Inbound,
    frame::{flag, kind},
    hpack,
};
use wire::{Connection, Fields, Frame, connection, frames};

/// Yields these pieces one by one, and is pending before each.
struct Pieces {
    pieces: VecDeque<Vec<u8>>,
    is_ready: bool,
}

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.is_ready = !self.is_ready;
        if !self.is_ready {
            return Poll::Pending;
        }
        if let Some(piece) = self.pieces.front_mut() {
            let length = piece.len().min(buf.remaining());
            buf.put_slice(&piece[..length]);
            piece.drain(..length);
            if piece.is_empty() {
                self.pieces.pop_front();
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// How a stream is cut; both sequences repeat.
#[derive(Clone, Debug)]
pub(super) struct Cuts {
    /// The lengths of the pieces that arrive.
    pieces: Vec<usize>,
    /// The lengths of the buffers that are read into.
    buffers: Vec<usize>,
}

fn cuts() -> impl Strategy<Value = Cuts> {
    let sizes = || prop_oneof![Just(1_usize), 1..40_usize, 40..600_usize, Just(16_384)];
    let some = move || proptest::collection::vec(sizes(), 1..8);
    (some(), some()).prop_map(|(pieces, buffers)| Cuts { pieces, buffers })
}

/// The bytes that h2 would read.
fn filtered(stream: &[u8], cuts: &Cuts) -> Vec<u8> {
    let (mut pieces, mut rest) = (VecDeque::new(), stream);
    for length in cuts.pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, others) = rest.split_at(rest.len().min(*length));
        pieces.push_back(piece.to_vec());
        rest = others;
    }
    let (mut io, mut inbound, mut read) = (Pieces { pieces, is_ready: true }, Inbound::default(), Vec::new());
    let mut lengths = cuts.buffers.iter().cycle();
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        let mut buffer = vec![0; *lengths.next().expect("they repeat")];
        let mut buf = ReadBuf::new(&mut buffer);
        match inbound.poll_read(Pin::new(&mut io), &mut cx, &mut buf) {
            Poll::Ready(Ok(())) if buf.filled().is_empty() => return read,
            Poll::Ready(Ok(())) => read.extend_from_slice(buf.filled()),
            Poll::Ready(Err(error)) => unreachable!("pieces do not fail: {error}"),
            Poll::Pending => assert!(buf.filled().is_empty(), "bytes with Pending"),
        }
    }
}

/// A stream in one piece.
fn uncut() -> Cuts {
    Cuts { pieces: vec![1 << 20], buffers: vec![1 << 20] }
}

/// The header lists of a stream, decoded by another implementation.
fn decoded(frames: &[Frame<'_>]) -> Vec<Fields> {
    let (mut decoder, mut block, mut lists) = (Decoder::with_dynamic_size(4096), Vec::new(), Vec::new());
    for frame in frames {
        let Some(fragment) = frame.fragment() else { continue };
        block.extend_from_slice(fragment);
        if frame.ends_block() {
            let mut list = Vec::new();
            decoder.decode(&mut block, &mut list).expect("a header block");
            lists.push(list.into_iter().map(|(name, value, _)| (name, value)).collect());
            block.clear();
        }
    }
    lists
}

fn check(connection: &Connection, cuts: &Cuts) -> Result<(), TestCaseError> {
    let (sent, read) = (connection.bytes(), filtered(&connection.bytes(), cuts));
    let (before, after) = (frames(&sent), frames(&read));
    prop_assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        prop_assert_eq!(before.without_fragment(), after.without_fragment());
    }
    let lists = decoded(&after);
    prop_assert_eq!(&lists, &connection.expected());
    prop_assert_eq!(&filtered(&read, cuts), &read, "filtering again changes nothing");
    if decoded(&before) == lists {
        prop_assert_eq!(sent, read, "nothing was to be replaced");
    }
    Ok(())
}

proptest! {
    #[test]
    fn header_lists_are_equal_except_for_invalid_authorities(connection in connection(), cuts in cuts()) {
        check(&connection, &cuts)?;
    }

    #[test]
    fn a_damaged_stream_passes_alike_in_any_pieces(
        connection in connection(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        cuts in cuts(),
    ) {
        let mut stream = connection.bytes();
        for (index, byte) in damage {
            let at = index.index(stream.len());
            stream[at] = byte;
        }
        let whole = filtered(&stream, &uncut());
        prop_assert!(whole.len() <= stream.len());
        prop_assert_eq!(&filtered(&stream, &cuts), &whole);
    }

    #[test]
    fn random_bytes_pass_alike_in_any_pieces(
        bytes in proptest::collection::vec(prop_oneof![Just(0), Just(1), Just(4), Just(0x41), any::<u8>()], 0..300),
        cuts in cuts(),
    ) {
        prop_assert_eq!(filtered(&bytes, &cuts), filtered(&bytes, &uncut()));
    }
}

#[tokio::test]
async fn h2_serves_the_filtered_requests() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..64 {
        let connection = connection().new_tree(&mut runner).expect("a connection").current();
        assert_eq!(rejected::served(&connection).await, connection.expected_by_h2());
    }
}

#[test]
fn pseudo_headers_beyond_the_limit_of_bytes_pass_unchanged() {
    let request = |path: usize| {
        let mut block = b"\x83\x86\x04".to_vec();
        hpack::put_text(hpack::Text { huffman: false, bytes: &vec![b'x'; path] }, &mut block);
        block.extend_from_slice(b"\x01\x03a|b\x90");
        let length = u32::try_from(block.len()).expect("short").to_be_bytes();
        [&length[1..], &[kind::HEADERS, flag::END_HEADERS, 0, 0, 0, 1], &block].concat()
    };
    for pieces in [1, 100, 1 << 20] {
        let cuts = Cuts { pieces: vec![pieces], ..uncut() };
        for (path, is_replaced) in [(4000, true), (4085, true), (4086, false), (9000, false)] {
            let sent = request(path);
            assert_eq!(filtered(&sent, &cuts) != sent, is_replaced, "{path} in pieces of {pieces}");
        }
    }
}

#[test]
fn held_bytes_are_limited() {
    // a block without an end, continued by empty frames
    let mut flood = vec![0, 0x10, 0, kind::HEADERS, 0, 0, 0, 0, 1];
    flood.resize(9 + 0x1000, 0xbe);
    for _ in 0..1000 {
        flood.extend([0, 0, 0, kind::CONTINUATION, 0, 0, 0, 0, 1]);
    }
    let (mut inbound, mut held) = (Inbound::default(), 0);
    let mut io = Pieces { pieces: flood.chunks(7).map(<[u8]>::to_vec).collect(), is_ready: true };
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        let mut buffer = [0; 64];
        let mut buf = ReadBuf::new(&mut buffer);
        match inbound.poll_read(Pin::new(&mut io), &mut cx, &mut buf) {
            Poll::Ready(read) => {
                read.expect("no error");
                if buf.filled().is_empty() {
                    break;
                }
            }
            Poll::Pending => {}
        }
        held = held.max(inbound.held.len());
    }
    assert!(held < 4096 + 2048, "{held}");
}
