//! How much a connection does before other connections have their turn, and how much it keeps.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};
use wire::Config;

use crate::{
    driver::transport::Driven,
    support::frames::{
        DATA, END_HEADERS, END_STREAM, HEADERS, block, call, data, frame, open, ping, request, settings, window_update,
    },
};

fn answers(frames: &[crate::support::frames::Frame]) -> usize {
    frames.iter().filter(|frame| frame.kind == HEADERS && frame.has(END_STREAM)).count()
}

fn calls(number: u32, first: u32) -> Vec<u8> {
    (0..number).flat_map(|n| call(first + 2 * n, "/echo", b"0123456789")).collect()
}

#[tokio::test]
async fn the_calls_of_a_turn_are_limited() {
    let mut driven = Driven::new(Config { calls_a_turn: 10, ..Config::default() }).await;
    driven.transport.peer().incoming.extend(calls(25, 1));
    // the tenth has begun, and is answered in the next turn
    for expected in [9, 10, 6] {
        driven.poll();
        assert_eq!(answers(&driven.frames()), expected);
        assert_eq!(driven.is_woken().await, expected != 6);
    }
}

#[tokio::test]
async fn a_turn_with_a_limit_of_zero_has_one_call() {
    let mut driven = Driven::new(Config { calls_a_turn: 0, ..Config::default() }).await;
    driven.send(&calls(3, 1)).await;
    assert_eq!(answers(&driven.frames()), 3);
}

/// None of this is a call, and all of it is allowed.
#[tokio::test]
async fn an_endless_upload_is_interrupted() {
    let mut driven = Driven::new(Config::default()).await;
    driven.send(&open(1, "/now", 0)).await;
    driven.transport.peer().reads = 0;
    driven.transport.peer().endless = data(1, &[0; 10_000], 0);
    assert!(!driven.poll() && driven.is_woken().await);
    assert!(driven.transport.peer().reads <= 16, "{}", driven.transport.peer().reads);
}

/// A connection that woke itself would make others of its thread wait for 61 turns.
#[tokio::test]
async fn other_connections_wait_for_few_turns_of_a_busy_one() {
    let mut driven = Driven::new(Config::default()).await;
    driven.send(&open(1, "/now", 0)).await;
    driven.transport.peer().endless = data(1, &[0; 10_000], 0);
    let transport = driven.transport.clone();
    let busy = tokio::spawn(driven.served);
    let (mut near, mut far) = UnixStream::pair().expect("a pair");
    let mut most = 0;
    for _ in 0..20 {
        far.write_all(b"x").await.expect("room");
        let before = transport.peer().reads;
        // it receives only what it asks for, and asks the system again
        assert_eq!(near.read(&mut [0; 2]).await.expect("readable"), 1);
        most = most.max(transport.peer().reads - before);
    }
    busy.abort();
    assert!((1..=3 * 16).contains(&most), "{most}");
}

/// Frames with one byte each are as much work as calls, although none of them begins one.
#[tokio::test]
async fn an_upload_of_many_frames_is_interrupted() {
    let mut driven = Driven::new(Config { calls_a_turn: 10, ..Config::default() }).await;
    driven.send(&open(1, "/now", 0)).await;
    driven.transport.peer().reads = 0;
    driven.transport.peer().incoming.extend(data(1, b"x", 0).repeat(50_000));
    assert!(!driven.poll() && driven.is_woken().await);
    assert_eq!(driven.transport.peer().reads, 1);
    // a read has 6553 of them, a turn 320
    for turn in 2..=20 {
        assert!(!driven.poll() && driven.is_woken().await);
        assert_eq!(driven.transport.peer().reads, 1, "turn {turn}");
    }
    driven.poll();
    assert_eq!(driven.transport.peer().reads, 2);
    driven.send(&data(1, b"", END_STREAM)).await;
    assert_eq!(driven.remote.live(), 0);
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_not_read_from() {
    let mut driven = Driven::new(Config::default()).await;
    driven.transport.peer().room = 0;
    driven.transport.peer().endless = (0..500_u64).flat_map(|n| ping(&n.to_be_bytes())).collect();
    driven.run().await;
    for _ in 0..10 {
        // being woken for another reason changes nothing
        driven.transport.peer().reads = 0;
        driven.run().await;
        assert_eq!(driven.transport.peer().reads, 0);
    }
    // its requests are answered as it reads
    driven.transport.peer().endless.clear();
    driven.transport.peer().incoming.clear();
    let mut frames = Vec::new();
    loop {
        driven.transport.peer().room = 1000;
        driven.run().await;
        let more = driven.frames();
        if more.is_empty() {
            break;
        }
        frames.extend(more);
    }
    let numbers: Vec<_> = frames.iter().map(|frame| u64::from(frame.number(4)) % 500).collect();
    assert!(numbers.len() > 3000 && numbers.iter().enumerate().all(|(at, n)| at as u64 % 500 == *n));
}

#[tokio::test]
async fn output_written_in_pieces_is_complete() {
    let mut driven = Driven::new(Config::default()).await;
    let expected = {
        let mut driven = Driven::new(Config::default()).await;
        driven.send(&calls(300, 1)).await;
        std::mem::take(&mut driven.transport.peer().written)
    };
    driven.transport.peer().room = 0;
    driven.transport.peer().incoming.extend(calls(300, 1));
    for n in 0_usize.. {
        driven.run().await;
        if driven.transport.peer().written.len() == expected.len() {
            break;
        }
        driven.transport.peer().room = 1 + n * 37 % 300;
    }
    assert!(driven.transport.peer().written == expected);
}

#[tokio::test]
async fn a_frame_may_arrive_byte_by_byte() {
    let mut driven = Driven::new(Config::default()).await;
    for byte in [frame(99, 0, 0, &[0; 300]), call(1, "/echo", &[7; 300])].concat() {
        assert!(!driven.send(&[byte]).await);
    }
    assert_eq!(answers(&driven.frames()), 1);
}
#[tokio::test]
async fn waiting_calls_are_polled_although_others_arrive() {
    let mut driven = Driven::new(Config { calls_a_turn: 1000, ..Config::default() }).await;
    driven.send(&call(1, "/wait", b"x")).await;
    // each turn has more than enough to send
    let others: Vec<_> = (1..100).flat_map(|n| call(1 + 2 * n, "/sized/5000", b"")).collect();
    driven.send(&window_update(0, 1 << 30)).await;
    driven.transport.peer().incoming.extend(others);
    driven.remote.wake();
    driven.poll();
    let frames = driven.frames();
    assert!(frames.iter().any(|frame| frame.is(DATA, 1)), "{} frames", frames.len());
}

/// The windows admit everything, but the transport takes nothing.
#[tokio::test]
async fn replies_wait_for_a_peer_that_does_not_read() {
    const SIZE: usize = 4_000_000;
    let config = Config::default();
    let held = std::sync::Arc::clone(&config.held);
    let mut driven = Driven::new(config).await;
    driven.send(&[settings(&[(4, 1 << 30)]), window_update(0, 1 << 30)].concat()).await;
    driven.transport.peer().room = 0;
    driven.send(&call(1, &format!("/stream/{SIZE}"), b"")).await;
    for _ in 0..100 {
        driven.remote.wake();
        driven.run().await;
    }
    assert!(held.used() < 128 << 10, "{}", held.used());
    driven.transport.peer().room = usize::MAX;
    driven.run().await;
    let sent: usize = driven.frames().iter().filter(|frame| frame.is(DATA, 1)).map(|frame| frame.payload.len()).sum();
    assert_eq!(sent, SIZE);
    assert_eq!(held.used(), 0);
}

/// It may wait for any time, so it is counted like output that the peer does not take.
#[tokio::test]
async fn input_that_waits_until_the_peer_reads_is_counted() {
    let config = Config::default();
    let held = std::sync::Arc::clone(&config.held);
    let mut driven = Driven::new(config).await;
    driven.send(&[settings(&[(4, 1 << 30)]), window_update(0, 1 << 30)].concat()).await;
    driven.transport.peer().room = 0;
    driven.send(&[call(1, "/sized/100000", b""), call(3, "/sized/100000", b""), calls(400, 5)].concat()).await;
    assert!(held.used() > 80 << 10, "{}", held.used());
    driven.transport.peer().room = usize::MAX;
    driven.run().await;
    assert_eq!((answers(&driven.frames()), held.used()), (402, 0));
}

/// Each byte of these headers refers to a field of 4 KB.
#[tokio::test]
async fn a_turn_has_one_call_with_very_many_fields() {
    let mut driven = Driven::new(Config::default()).await;
    let call = |id: u32, more: &[u8]| {
        let block = [&block(&request("/echo", &[]))[..], more].concat();
        frame(HEADERS, END_HEADERS | END_STREAM, id, &block)
    };
    // added to the table: its value has 127 + 33 + 30 * 128 octets
    driven.send(&call(1, &[&b"\x40\x01x\x7f\xa1\x1e"[..], &[b'v'; 4000]].concat())).await;
    assert_eq!(answers(&driven.frames()), 1);
    let bombs: Vec<_> = (1..=5).flat_map(|n| call(1 + 2 * n, &[0xbe; 10_000])).collect();
    driven.transport.peer().incoming.extend(bombs);
    for left in (0..5).rev() {
        driven.poll();
        assert_eq!((answers(&driven.frames()), driven.is_woken().await), (1, true), "{left}");
    }
    assert!(!driven.run().await);
}
