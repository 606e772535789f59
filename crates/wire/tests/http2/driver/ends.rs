//! How connections end: by the peer, by deadlines, and gracefully.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    task::JoinHandle,
};
use wire::{Buffers, Config, ErrorCode, Event, Served};

use crate::{
    driver::transport::Driven,
    support::{
        frames::{
            ACK, CONTINUATION, DATA, END_STREAM, Frame, GOAWAY, HEADERS, PING, call, data, frame, open, ping, settings,
            settings_ack, take_frames,
        },
        handler::{Remote, TestHandler},
    },
};

/// A connection that a task serves, over a pipe with this capacity in bytes.
async fn serve(config: Config, pipe: usize) -> (DuplexStream, std::sync::Arc<Remote>, JoinHandle<()>) {
    let (mut client, server) = duplex(pipe);
    let handler = TestHandler::default();
    let remote = std::sync::Arc::clone(&handler.remote);
    let served = Served::new(server, handler, &std::sync::Arc::new(config), &Buffers::default());
    let task = tokio::spawn(async move { drop(served.await) });
    client.write_all(&[settings(&[]), settings_ack()].concat()).await.expect("sent");
    (client, remote, task)
}

async fn all_frames(client: &mut DuplexStream) -> Vec<Frame> {
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).await.expect("read");
    take_frames(&mut bytes)
}

#[tokio::test]
async fn calls_are_dropped_when_the_peer_has_gone() {
    let mut driven = Driven::new(Config::default()).await;
    driven.send(&[call(1, "/wait", b""), call(3, "/echo", b"last")].concat()).await;
    assert_eq!(driven.remote.live(), 1);
    driven.transport.peer().incoming.extend(call(5, "/echo", b"very last"));
    driven.transport.peer().is_closed = true;
    assert!(driven.run().await);
    assert_eq!(driven.remote.live(), 0);
    let frames = driven.frames();
    assert!(frames.iter().any(|frame| frame.is(DATA, 5) && frame.payload == b"very last"), "{frames:?}");
    assert!(driven.transport.peer().is_shut);
}

#[tokio::test]
async fn an_error_is_sent_before_the_end() {
    let mut driven = Driven::new(Config::default()).await;
    driven.send(&[call(1, "/echo", b"x"), frame(PING, 0, 0, b"short")].concat()).await;
    let frames = driven.frames();
    let last = frames.last().expect("a frame");
    assert!(last.is(GOAWAY, 0) && last.number(0) == 1 && last.number(4) == ErrorCode::FRAME_SIZE_ERROR.0, "{last:?}");
    // its sending side is closed, and what still arrives is discarded until the peer closes too
    assert!(driven.transport.peer().is_shut);
    assert!(!driven.send(&call(3, "/echo", b"late")).await);
    driven.transport.peer().is_closed = true;
    assert!(driven.run().await);
}

/// The first call ends the turn, and the rest of the bytes is a part of a frame.
#[tokio::test(start_paused = true)]
async fn a_part_of_a_frame_has_a_deadline() {
    for bytes in [vec![0, 0, 5], [call(1, "/echo", b"x"), vec![0, 0, 5]].concat()] {
        let (mut client, remote, task) = serve(Config { calls_a_turn: 1, ..Config::default() }, 1 << 20).await;
        client.write_all(&bytes).await.expect("sent");
        let frames = all_frames(&mut client).await;
        let last = frames.last().expect("a frame");
        assert!(last.is(GOAWAY, 0) && last.number(4) == ErrorCode::ENHANCE_YOUR_CALM.0, "{last:?}");
        assert!(matches!(remote.events()[..], [Event::TooSlow { .. }]), "{:?}", remote.events());
        drop(client);
        task.await.expect("no panic");
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_header_block_has_a_deadline() {
    let (mut client, remote, _task) = serve(Config::default(), 1 << 20).await;
    client.write_all(&frame(HEADERS, 0, 1, b"\x83")).await.expect("sent");
    let frames = all_frames(&mut client).await;
    assert_eq!(frames.last().map(|frame| frame.kind), Some(GOAWAY));
    assert!(matches!(remote.events()[..], [Event::TooSlow { .. }]), "{:?}", remote.events());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_has_a_deadline() {
    let (mut client, remote, task) = serve(Config::default(), 100).await;
    let sent = client.write_all(&call(1, "/sized/10000", b"")).await;
    sent.expect("sent");
    task.await.expect("no panic");
    assert!(matches!(remote.events()[..], [Event::TooSlow { .. }]), "{:?}", remote.events());
}

/// A byte now and then is no progress, but a KiB is.
#[tokio::test(start_paused = true)]
async fn a_peer_must_read_at_a_minimum_rate() {
    for (read, is_served) in [(1, false), (1024, true)] {
        let (mut client, remote, task) = serve(Config::default(), 100).await;
        client.write_all(&call(1, "/sized/60000", b"")).await.expect("sent");
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(29)).await;
            let mut part = vec![0; read];
            let _ = client.read_exact(&mut part).await;
        }
        assert_eq!(remote.events().is_empty(), is_served, "{read} bytes: {:?}", remote.events());
        assert_eq!(task.is_finished(), !is_served);
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_has_no_deadline() {
    let (mut client, _remote, _task) = serve(Config::default(), 1 << 20).await;
    client
        .write_all(&[call(1, "/wait", b""), call(3, "/echo", b""), open(5, "/now", END_STREAM)].concat())
        .await
        .expect("sent");
    tokio::time::sleep(Duration::from_secs(100_000)).await;
    client.write_all(&[ping(b"are you ")].concat()).await.expect("sent");
    client.shutdown().await.expect("shut");
    let frames = all_frames(&mut client).await;
    assert!(frames.last().is_some_and(|frame| frame.is(PING, 0)), "{frames:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_end_has_a_deadline() {
    let (mut client, remote, _task) = serve(Config::default(), 1 << 20).await;
    client.write_all(&[open(1, "/hold", 0), data(1, b"x", 0), open(3, "/late", 0)].concat()).await.expect("sent");
    tokio::time::sleep(crate::support::handler::PATIENCE * 2).await;
    assert_eq!(remote.live(), 0);
    client.shutdown().await.expect("shut");
    let frames = all_frames(&mut client).await;
    assert!(frames.iter().any(|frame| frame.is(3, 1) && frame.number(0) == ErrorCode::CANCEL.0), "{frames:?}");
    assert!(frames.iter().any(|frame| frame.is(HEADERS, 3) && frame.has(END_STREAM)), "{frames:?}");
    assert!(frames.iter().any(|frame| frame.is(3, 3)), "it must not be waited for indefinitely: {frames:?}");
}

#[tokio::test(start_paused = true)]
async fn a_graceful_end_needs_no_acknowledgement() {
    let mut driven = Driven::new(Config::default()).await;
    driven.send(&call(1, "/wait", b"x")).await;
    driven.served.shut_down(Duration::from_secs(1));
    driven.run().await;
    let frames = driven.frames();
    assert_eq!(frames.iter().map(|frame| frame.kind).collect::<Vec<_>>(), [GOAWAY, PING]);
    driven.send(&call(3, "/echo", b"y")).await;
    assert!(driven.frames().iter().any(|frame| frame.is(DATA, 3)));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(driven.is_woken().await);
    driven.run().await;
    let frames = driven.frames();
    assert!(matches!(&frames[..], [frame] if frame.is(GOAWAY, 0) && frame.number(0) == 3), "{frames:?}");
    driven.remote.wake();
    assert!(driven.is_woken().await);
    driven.run().await;
    assert!(driven.frames().iter().any(|frame| frame.is(DATA, 1)));
    assert!(driven.transport.peer().is_shut, "it ends with its last stream");
}

/// The last responses are sent to a peer that reads slowly, as long as it reads.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_the_last_answers() {
    let (mut client, server) = duplex(1000);
    let handler = TestHandler::default();
    let mut served = Served::new(server, handler, &std::sync::Arc::new(Config::default()), &Buffers::default());
    let requests = [settings(&[]), settings_ack(), call(1, "/sized/10000", b"")].concat();
    client.write_all(&requests).await.expect("sent");
    let task = tokio::spawn(async move {
        tokio::time::timeout(Duration::from_millis(10), &mut served).await.expect_err("it goes on");
        served.shut_down(Duration::from_secs(1));
        served.await
    });
    let mut bytes = Vec::new();
    let mut part = [0; 1000];
    loop {
        tokio::time::sleep(Duration::from_millis(900)).await;
        match client.read(&mut part).await.expect("read") {
            0 => break,
            length => bytes.extend_from_slice(&part[..length]),
        }
    }
    let frames = take_frames(&mut bytes);
    assert!(frames.iter().any(|frame| frame.is(HEADERS, 1) && frame.has(END_STREAM)), "{frames:?}");
    assert!(frames.last().is_some_and(|frame| frame.is(GOAWAY, 0) && frame.number(0) == 1), "{frames:?}");
    drop(client);
    task.await.expect("no panic").expect("a clean end");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_does_not_delay_the_end() {
    let (mut client, _remote, task) = serve(Config::default(), 1000).await;
    client.write_all(&[call(1, "/sized/10000", b""), frame(PING, 0, 0, b"short")].concat()).await.expect("sent");
    let start = tokio::time::Instant::now();
    task.await.expect("no panic");
    assert!(start.elapsed() <= Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_a_byte_now_and_then_delays_the_end_only_so_long() {
    let (mut client, _remote, task) = serve(Config::default(), 1000).await;
    client.write_all(&[call(1, "/sized/10000", b""), frame(PING, 0, 0, b"short")].concat()).await.expect("sent");
    let start = tokio::time::Instant::now();
    while !task.is_finished() && start.elapsed() < Duration::from_secs(100) {
        tokio::time::sleep(Duration::from_millis(900)).await;
        let _ = client.read_u8().await;
    }
    assert!(task.is_finished());
    assert!(start.elapsed() > Duration::from_secs(20), "it is waited for as long as it reads: {:?}", start.elapsed());
}

/// A header block of which this many frames have arrived.
fn begun(frames: usize) -> Vec<u8> {
    let continuation = frame(CONTINUATION, 0, 1, &[0; 16_000]);
    [frame(HEADERS, 0, 1, &[0; 16_000]), continuation.repeat(frames - 1)].concat()
}

/// What connections do not complete or take is limited for the process; one frame of each is not counted.
#[tokio::test]
async fn the_memory_of_incomplete_frames_is_bounded_for_the_process() {
    let held = std::sync::Arc::new(wire::HeldReplies::new(512 << 10));
    let config = || Config { held: std::sync::Arc::clone(&held), ..Config::default() };
    let mut small = Vec::new();
    for _ in 0..40 {
        small.push(Driven::new(config()).await);
    }
    for driven in &mut small {
        assert!(!driven.send(&begun(1)).await);
    }
    assert_eq!(held.used(), 0);
    let mut large = Vec::new();
    for _ in 0..12 {
        large.push(Driven::new(config()).await);
    }
    for driven in &mut large {
        driven.send(&begun(4)).await;
    }
    assert_closed(&mut large.pop().expect("the last one"));
    assert!(large.iter().all(|driven| driven.remote.events().is_empty()));
    assert!(held.used() > 400 << 10);
    // connections that hold little are still served
    let mut other = Driven::new(config()).await;
    for part in call(1, "/echo", &[7; 16_000]).chunks(10_000) {
        assert!(!other.send(part).await);
    }
    assert!(other.frames().iter().any(|frame| frame.is(DATA, 1)));
    drop((small, large));
    assert_eq!(held.used(), 0);
}

#[tokio::test]
async fn one_connection_has_its_share_of_that_memory() {
    let held = std::sync::Arc::new(wire::HeldReplies::new(512 << 10));
    let mut driven = Driven::new(Config { held: std::sync::Arc::clone(&held), ..Config::default() }).await;
    driven.send(&begun(8)).await;
    assert_closed(&mut driven);
    assert_eq!(held.used(), 0);
}

fn assert_closed(driven: &mut Driven) {
    let frames = driven.frames();
    let last = frames.last().expect("a frame");
    assert!(last.is(GOAWAY, 0) && last.number(4) == ErrorCode::ENHANCE_YOUR_CALM.0, "{last:?}");
    assert!(matches!(driven.remote.events()[..], [Event::Closed { code: ErrorCode::ENHANCE_YOUR_CALM, .. }]));
}

/// The same for responses that the peer has taken meanwhile.
#[tokio::test(start_paused = true)]
async fn a_peer_that_took_its_answers_while_the_thread_was_stopped_is_kept() {
    let mut driven = Driven::new(Config::default()).await;
    driven.transport.peer().room = 0;
    driven.send(&call(1, "/echo", &[7; 10_000])).await;
    tokio::time::sleep(Duration::from_secs(33)).await;
    driven.transport.peer().room = usize::MAX;
    assert!(!driven.run().await);
    let frames = driven.frames();
    assert!(
        frames.iter().any(|frame| frame.is(DATA, 1)) && !frames.iter().any(|frame| frame.is(GOAWAY, 0)),
        "{frames:?}"
    );
}

/// A throttled container does not run for a while. What has arrived meanwhile is handled before deadlines are checked.
#[tokio::test(start_paused = true)]
async fn calls_that_arrived_while_the_thread_was_stopped_are_served() {
    let mut driven = Driven::new(Config::default()).await;
    driven.send(&call(1, "/wait", b"x")).await;
    driven.served.shut_down(Duration::from_secs(1));
    driven.run().await;
    let payload = driven.frames().iter().find(|frame| frame.is(PING, 0)).expect("a PING").payload.clone();
    tokio::time::sleep(Duration::from_secs(2)).await;
    driven.send(&[call(3, "/echo", b"y"), frame(PING, ACK, 0, &payload)].concat()).await;
    let frames = driven.frames();
    assert!(frames.iter().any(|frame| frame.is(DATA, 3)), "{frames:?}");
    assert!(frames.iter().any(|frame| frame.is(GOAWAY, 0) && frame.number(0) == 3), "{frames:?}");
}
