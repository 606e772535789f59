//! Calls that end before their services do.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;
use http_body::Frame;
use tokio::time;

use super::rig::{CALL, Next, Rig, Steps, list};
use crate::{
    ErrorCode, Progress,
    frame::kind::{DATA, HEADERS},
    service::{Failure, Pool},
};

const LARGE: u32 = 1 << 20;

/// A call with this deadline whose response never ends; it begins with a byte if `is_answered` is set.
fn open(deadline: Instant, is_answered: bool) -> Rig {
    Rig::with(&Pool::new(1 << 20), &list(CALL), LARGE, Some(deadline), move |_| async move {
        if !is_answered {
            std::future::pending::<()>().await;
        }
        Ok(Response::new(Steps::new([Next::Frame(Frame::data(Bytes::from_static(b"x"))), Next::Hang], false)))
    })
}

fn status() -> Vec<(String, String)> {
    [("grpc-status", "4"), ("grpc-message", "context deadline exceeded")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_a_call_whether_or_not_its_request_has_ended() {
    let timeout = Duration::from_secs(60);
    for (is_answered, is_end) in [(false, false), (false, true), (true, false), (true, true)] {
        let deadline = (time::Instant::now() + timeout).into_std();
        let mut rig = open(deadline, is_answered);
        for _ in 0..3 {
            assert_eq!(rig.poll().await, Progress::Waiting);
        }
        rig.data(b"", is_end);
        time::advance(timeout - Duration::from_secs(1)).await;
        assert_eq!(rig.poll().await, Progress::Waiting);
        time::advance(Duration::from_secs(1)).await;
        assert_eq!(rig.poll().await, Progress::Done);
        assert!(matches!(rig.exchange.failure(), Some(Failure::Deadline)));
        let (shapes, fields) = (rig.shapes(), rig.fields(rig.frames.len() - 1));
        if is_answered {
            assert_eq!(shapes, [(HEADERS, 0, false), (DATA, 1, false), (HEADERS, 0, true)]);
            assert_eq!(fields, status());
        } else {
            assert_eq!(shapes, [(HEADERS, 0, true)]);
            assert_eq!(fields[2..], status());
        }
        // nothing reads a request that continues
        assert_eq!(rig.reset, (!is_end).then_some(ErrorCode::NO_ERROR));
    }
}

#[tokio::test]
async fn a_deadline_may_be_far_away() {
    let far = Instant::now() + Duration::from_secs(99_999_999 * 3600);
    let mut rig = open(far, true);
    for _ in 0..3 {
        assert_eq!(rig.poll().await, Progress::Waiting);
    }
    assert_eq!(rig.shapes(), [(HEADERS, 0, false), (DATA, 1, false)]);
}
