//! Messages that arrive incompletely: they have a deadline, and the memory they hold is bounded whatever is sent.

use bytes::Bytes;
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitResponse, rate_limit_response::Code};

use crate::refusals::{RULES, good, left, like_grpc_go::zip, rejected};
use testkit::{
    eventually,
    process::Tollgate,
    raw::{Raw, SHOULD_RATE_LIMIT, frame},
};

const HEADERS: [(&str, &str); 2] = [("content-type", "application/grpc"), ("te", "trailers")];
const MIB: usize = 1 << 20;

/// The memory that the process holds now, in bytes.
fn memory(tollgate: &Tollgate) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", tollgate.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the most it ever held");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}

#[tokio::test]
async fn a_call_ends_when_its_caller_no_longer_waits() {
    let tollgate = testkit::tollgate!(RULES);
    let mut raw = Raw::connect(tollgate.address("grpc")).await;
    let before = left(&tollgate).await;
    let whole = frame(0, &good());
    for sent in [&whole[..0], &whole[..3], &whole[..9], &whole] {
        let headers = [&HEADERS[..], &[("grpc-timeout", "1S")]].concat();
        let (frames, answer) = raw.begin("POST", SHOULD_RATE_LIMIT, &headers).await;
        frames.send(Bytes::copy_from_slice(sent)).await.expect("sent");
        let answer = answer.await.expect("an answer");
        assert_eq!((answer.code(), answer.message()), (4, "context deadline exceeded"));
    }
    assert_eq!(rejected(&tollgate, "rls", "deadline_exceeded").await, 4);
    assert_eq!(left(&tollgate).await, before, "nothing is charged before the client has ended the call");
}

#[tokio::test]
async fn a_call_without_a_timeout_has_a_deadline_too() {
    let tollgate = testkit::tollgate!(RULES);
    let mut raw = Raw::connect(tollgate.address("grpc")).await;
    let (frames, answer) = raw.begin("POST", SHOULD_RATE_LIMIT, &HEADERS).await;
    frames.send(frame(0, &good()).slice(..9)).await.expect("sent");
    let answer = answer.await.expect("an answer");
    assert_eq!(answer.code(), 4);
    assert!(answer.message().contains("was not complete within 10s"), "{answer:?}");
    assert_eq!(rejected(&tollgate, "rls", "incomplete").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partial_messages_hold_bounded_memory_and_others_are_answered() {
    const CONNECTIONS: usize = 6;
    const CALLS: usize = 40;
    let tollgate = testkit::tollgate!(RULES);
    let mut honest = Raw::connect(tollgate.address("grpc")).await;
    let before = memory(&tollgate);
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut raw = Raw::connect(tollgate.address("grpc")).await;
        for _ in 0..CALLS {
            let (frames, answer) = raw.begin("POST", SHOULD_RATE_LIMIT, &HEADERS).await;
            let sender = tokio::spawn(async move {
                let mut sent = frames.send(Bytes::from_static(b"\0\0\x40\0\0")).await;
                for _ in 0..16 {
                    if sent.is_err() {
                        return;
                    }
                    sent = frames.send(vec![0; MIB / 16].into()).await;
                }
                frames.closed().await;
            });
            let answer = tokio::spawn(async { answer.await.map(|answer| answer.code()).unwrap_or(-1) });
            open.push((sender, answer));
        }
        // kept until the end
        open.push((
            tokio::spawn(async move {
                let _raw = raw;
                std::future::pending::<()>().await;
            }),
            tokio::spawn(std::future::pending()),
        ));
        let answer: RateLimitResponse = honest.ask(&[], &[frame(0, &good())]).await.decode();
        assert_eq!(answer.overall_code(), Code::Ok);
    }
    // of 240 MiB, each connection keeps at most 16 MiB, and the process 64 MiB
    eventually("most to be rejected", async || {
        (rejected(&tollgate, "rls", "out_of_memory").await >= 150).then_some(())
    })
    .await;
    let held = memory(&tollgate) - before;
    println!("{CONNECTIONS} connections sent {} MiB of partial messages: {} MiB held", CONNECTIONS * CALLS, held / MIB);
    assert!(held < 160 * MIB, "{held} bytes");
    let whole = [frame(0, &good()).slice(..9), frame(0, &good()).slice(9..)];
    for _ in 0..20 {
        let answer: RateLimitResponse = honest.ask(&[], &whole).await.decode();
        assert_eq!(answer.overall_code(), Code::Ok, "a message in pieces, while others wait");
    }
    for (sender, answer) in open {
        if answer.is_finished() {
            // its memory was needed, its connection ended, or it was still incomplete after ten seconds
            assert!([8, -1, 4].contains(&answer.await.expect("no panic")));
        } else {
            answer.abort();
        }
        sender.abort();
    }
}

#[tokio::test]
async fn a_compressed_message_grows_no_larger_than_allowed() {
    let tollgate = testkit::tollgate!(RULES);
    let mut raw = Raw::connect(tollgate.address("grpc")).await;
    let before = memory(&tollgate);
    let bomb = frame(1, &zip(&vec![0; 16 * MIB]).repeat(16));
    for _ in 0..20 {
        let pieces: Vec<Bytes> = bomb.chunks(16 << 10).map(Bytes::copy_from_slice).collect();
        let answer = raw.ask(&[("grpc-encoding", "gzip")], &pieces).await;
        assert_eq!(answer.code(), 8, "{answer:?}");
    }
    let held = memory(&tollgate) - before;
    println!("20 messages of {} bytes that stand for 256 MiB: {} MiB held", bomb.len(), held / MIB);
    assert!(held < 64 * MIB, "{held} bytes");
}
