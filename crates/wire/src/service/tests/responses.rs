//! Responses as frames.

use std::{
    future::{Ready, poll_fn},
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::Frame;

use super::rig::{CALL, Next, Rig, Steps};
use crate::{
    ErrorCode, Progress,
    frame::kind::{DATA, HEADERS},
    service::Failure,
};

const LARGE: u32 = 1 << 20;

fn data(data: impl Into<Bytes>) -> Next {
    Next::Frame(Frame::data(data.into()))
}

fn trailers(fields: &[(&'static str, &'static str)]) -> Next {
    let fields = fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    Next::Frame(Frame::trailers(fields.collect::<HeaderMap>()))
}

fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn an_error_without_a_body_is_one_frame() {
    let mut rig = Rig::open(&CALL, 0, |_| async {
        let response = Response::builder().header("grpc-status", "5").header("connection", "close");
        Ok(response.body(Steps::data(&[], true)).expect("a response"))
    });
    assert_eq!(rig.poll().await, Progress::Done);
    assert_eq!(rig.shapes(), [(HEADERS, 0, true)]);
    assert_eq!(rig.fields(0), pairs(&[(":status", "200"), ("grpc-status", "5")]));
    assert!(rig.exchange.failure().is_none());
}

#[tokio::test]
async fn responses_that_have_no_body_are_one_frame() {
    let head = [(":method", "HEAD"), (":scheme", "http"), (":path", "/")];
    for (fields, status) in [(head, 200), (CALL, 204), (CALL, 304)] {
        let mut rig = Rig::open(&fields, LARGE, move |_| async move {
            Ok(Response::builder().status(status).body(Steps::data(&[b"x"], true)).expect("a response"))
        });
        assert_eq!(rig.poll().await, Progress::Done);
        assert_eq!(rig.shapes(), [(HEADERS, 0, true)], "{status}");
    }
}

#[tokio::test]
async fn no_empty_data_come_before_trailers() {
    let body = [data(&b"abc"[..]), data(&b""[..]), trailers(&[("grpc-status", "0")])];
    let mut rig = Rig::answered(LARGE, Steps::new(body, false));
    rig.finish().await;
    assert_eq!(rig.shapes(), [(HEADERS, 0, false), (DATA, 3, false), (HEADERS, 0, true)]);
    assert_eq!(rig.fields(2), pairs(&[("grpc-status", "0")]));
}

#[tokio::test]
async fn trailers_need_no_data() {
    let mut rig = Rig::answered(1, Steps::new([trailers(&[("grpc-status", "0")])], false));
    rig.finish().await;
    assert_eq!(rig.shapes(), [(HEADERS, 0, false), (HEADERS, 0, true)]);
}

#[tokio::test]
async fn the_last_data_frame_ends_the_stream_if_the_end_is_known() {
    for foresees in [true, false] {
        let mut rig = Rig::answered(LARGE, Steps::data(&[b"abc", b"de"], foresees));
        rig.finish().await;
        assert_eq!(rig.shapes(), [(HEADERS, 0, false), (DATA, 3, false), (DATA, 2, true)]);
    }
    // the body may not be polled for its end before the peer has room again
    let mut rig = Rig::answered(5, Steps::data(&[b"abc", b"de"], false));
    for _ in 0..3 {
        assert_eq!(rig.poll().await, Progress::Waiting);
    }
    rig.widen(1);
    rig.finish().await;
    assert_eq!(rig.shapes(), [(HEADERS, 0, false), (DATA, 3, false), (DATA, 2, false), (DATA, 0, true)]);
}

#[tokio::test]
async fn empty_trailers_are_none() {
    let mut rig = Rig::answered(LARGE, Steps::new([data(&b"a"[..]), trailers(&[])], false));
    rig.finish().await;
    assert_eq!(rig.shapes(), [(HEADERS, 0, false), (DATA, 1, true)]);
}

#[tokio::test]
async fn a_body_is_polled_no_further_than_the_windows_allow() {
    let body = Steps::data(&[&b"abcd"[..]; 10], true);
    let polls = Arc::clone(&body.polls);
    let polls = || polls.load(Ordering::Relaxed);
    let mut rig = Rig::answered(0, body);
    for _ in 0..3 {
        assert_eq!(rig.poll().await, Progress::Waiting);
    }
    assert_eq!((rig.shapes(), polls()), (vec![(HEADERS, 0, false)], 0));
    for (by, frames) in [(4, 1), (8, 3), (2, 4)] {
        rig.widen(by);
        for _ in 0..3 {
            assert_eq!(rig.poll().await, Progress::Waiting);
        }
        assert_eq!(polls(), frames, "after {by}");
    }
    rig.widen(100);
    rig.finish().await;
    let lengths: Vec<_> = rig.shapes().iter().skip(1).map(|(_, length, _)| *length).collect();
    assert_eq!(lengths, [4, 4, 4, 2, 2, 4, 4, 4, 4, 4, 4]);
    assert!(rig.shapes().last().is_some_and(|(.., is_end)| *is_end));
}

#[tokio::test]
async fn a_turn_is_sixteen_kilobytes() {
    let mut rig = Rig::answered(LARGE, Steps::new([data(vec![7; 100_000])], true));
    assert_eq!(rig.poll().await, Progress::Waiting, "now the body has room");
    let mut sent = Vec::new();
    loop {
        let (before, progress) = (rig.frames.len(), rig.poll().await);
        sent.push(rig.frames[before..].iter().map(|(head, _)| head.length).sum::<usize>());
        if progress == Progress::Done {
            break;
        }
    }
    assert_eq!(sent, [16_384, 16_384, 16_384, 16_384, 16_384, 16_384, 1_696]);
}

#[tokio::test]
async fn a_body_that_fails_resets_its_stream() {
    let mut rig = Rig::answered(LARGE, Steps::new([data(&b"a"[..]), Next::Error], false));
    rig.finish().await;
    assert_eq!(rig.reset, Some(ErrorCode::INTERNAL_ERROR));
    let failure = rig.exchange.failure().expect("it failed");
    assert!(matches!(failure, Failure::Body(error) if error.to_string() == "broken"));
}

#[tokio::test]
async fn a_panic_before_the_head_is_a_status() {
    let mut first = Rig::open::<Ready<_>, Steps>(&CALL, LARGE, |_| panic!("as asked"));
    let mut second = Rig::open(&CALL, LARGE, |_| poll_fn::<Result<Response<Steps>, _>, _>(|_| panic!("as asked")));
    for rig in [&mut first, &mut second] {
        rig.finish().await;
        assert_eq!(rig.shapes(), [(HEADERS, 0, true)]);
        let mut expected = pairs(&[(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "13")]);
        expected.push(("grpc-message".to_owned(), "the service has panicked".to_owned()));
        assert_eq!(rig.fields(0), expected);
        assert!(matches!(rig.exchange.failure(), Some(Failure::Panicked)));
    }
}

#[tokio::test]
async fn a_panic_after_the_head_resets_the_stream() {
    let mut rig = Rig::answered(LARGE, Steps::new([data(&b"a"[..]), Next::Panic], false));
    rig.finish().await;
    assert_eq!((rig.shapes().first(), rig.reset), (Some(&(HEADERS, 0, false)), Some(ErrorCode::INTERNAL_ERROR)));
    assert!(matches!(rig.exchange.failure(), Some(Failure::Panicked)));
}

#[tokio::test]
async fn an_interim_status_is_no_response() {
    let mut rig = Rig::open(&CALL, LARGE, |_| async {
        Ok(Response::builder().status(101).body(Steps::data(&[], true)).expect("a response"))
    });
    rig.finish().await;
    assert_eq!((rig.frames.len(), rig.reset), (0, Some(ErrorCode::INTERNAL_ERROR)));
    assert!(matches!(rig.exchange.failure(), Some(Failure::Interim(status)) if status.as_u16() == 101));
}

#[tokio::test]
async fn bytes_that_wait_for_the_peer_are_bounded_and_released() {
    for (length, fits) in [(1 << 20, true), ((1 << 20) + 2, false)] {
        let mut rig = Rig::answered(1, Steps::new([data(vec![7; length])], true));
        assert_eq!(rig.poll().await, Progress::Waiting);
        let progress = rig.poll().await;
        assert_eq!(progress, if fits { Progress::Waiting } else { Progress::Done });
        if fits {
            assert_eq!(rig.kept(), length - 1);
        } else {
            assert_eq!(rig.shapes(), [(HEADERS, 0, false), (DATA, 1, false), (HEADERS, 0, true)]);
            assert!(rig.fields(2).contains(&("grpc-status".to_owned(), "8".to_owned())));
            assert!(matches!(rig.exchange.failure(), Some(Failure::Crowded)));
        }
        let pool = Arc::clone(&rig.pool);
        drop(rig);
        assert_eq!(pool.used(), 0);
    }
}

#[tokio::test]
async fn a_request_that_does_not_end_in_time_has_a_status() {
    let mut rig = Rig::answered(LARGE, Steps::new([Next::Hang], false));
    assert_eq!(rig.expire(), Progress::Done);
    assert_eq!(rig.shapes(), [(HEADERS, 0, true)]);
    assert!(rig.fields(0).contains(&("grpc-status".to_owned(), "4".to_owned())));

    let mut rig = Rig::answered(LARGE, Steps::new([Next::Hang], false));
    assert_eq!(rig.poll().await, Progress::Waiting);
    assert_eq!((rig.expire(), rig.reset), (Progress::Done, Some(ErrorCode::CANCEL)));
}
