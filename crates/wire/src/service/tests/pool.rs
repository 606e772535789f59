//! Which calls are served when the pool is full, with calls that never end.

use std::{
    future::{pending, poll_fn},
    pin::Pin,
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::{Body as _, Frame};
use proptest::{collection::vec, prelude::*};

use super::rig::{CALL, Next, Rig, Steps, idle, list};
use crate::{
    ErrorCode, Head, Progress,
    frame::kind::HEADERS,
    service::{
        Exchange, Failure, Pool, Share,
        pool::{COST, CallSlot, INCLUDED},
    },
};

/// A pool for this many calls, of which a connection may have an eighth.
fn pool(calls: usize) -> Arc<Pool> {
    Pool::new(calls * COST)
}

fn open(share: &Share) -> Result<CallSlot, Failure> {
    share.open(&Arc::default())
}

/// Opens this many calls.
fn opened(share: &Share, calls: usize) -> Vec<CallSlot> {
    (0..calls).map(|_| open(share).expect("there is room")).collect()
}

#[test]
fn a_connection_has_an_eighth() {
    let pool = pool(80);
    let (one, other) = (pool.connection(), pool.connection());
    let mut calls = opened(&one, 10);
    assert!(matches!(open(&one), Err(Failure::Crowded)));
    calls.pop();
    let mut place = open(&one).expect("one has ended");
    place.keep(INCLUDED).expect("the cost of a call includes it");
    assert!(matches!(place.keep(INCLUDED + 1), Err(Failure::Crowded)), "kept bytes count too");
    drop(place);
    let mut place = opened(&other, 1).remove(0);
    place.keep(INCLUDED + 9 * COST).expect("it has that much");
    assert!(matches!(open(&other), Err(Failure::Crowded)));
    place.keep(0).expect("less is always possible");
    drop(opened(&other, 9));
    assert_eq!(pool.open(), 10);
    drop((calls, place));
    assert_eq!((pool.open(), pool.used()), (0, 0));
}

#[test]
fn the_largest_connection_makes_room_for_smaller_ones() {
    let pool = pool(80);
    let hogs: Vec<_> = (0..9).map(|_| pool.connection()).collect();
    let mut calls: Vec<_> = hogs[..8].iter().map(|share| opened(share, 10)).collect();
    assert_eq!(pool.used(), 80 * COST);
    // in the end all connections have equally many calls; then the existing ones stay
    let late = opened(&hogs[8], 8);
    assert!(matches!(open(&hogs[8]), Err(Failure::Crowded)));
    assert_eq!((pool.open(), pool.used()), (80, 80 * COST));
    assert!(calls.iter().all(|of| of.len() == 10), "evicted calls end when they are polled");
    // a connection with a single call evicts one of many
    let single = opened(&pool.connection(), 1);
    calls.clear();
    assert_eq!(pool.open(), late.len() + single.len());
}

#[test]
fn connections_with_one_call_each_keep_it() {
    let pool = pool(16);
    let calls: Vec<_> = (0..16).map(|_| open(&pool.connection()).expect("there is room")).collect();
    assert!(matches!(open(&pool.connection()), Err(Failure::Crowded)));
    assert_eq!((calls.len(), pool.open()), (16, 16));
}

/// A call that never ends, polled once.
async fn hanging(pool: &Arc<Pool>) -> Rig {
    let mut rig = Rig::with(pool, &list(CALL), 0, None, |_| pending::<Result<Response<Steps>, _>>());
    rig.poll().await;
    rig
}

fn status(rig: &Rig, frame: usize) -> String {
    let fields = rig.fields(frame);
    fields.into_iter().find(|(name, _)| name == "grpc-status").map(|(_, value)| value).expect("a status")
}

#[tokio::test]
async fn the_newest_call_of_the_largest_connection_is_evicted() {
    let pool = pool(16);
    let share = pool.connection();
    let start = || |_| pending::<Result<Response<Steps>, _>>();
    let head = list(CALL);
    let of_one: Vec<_> = (0..2)
        .map(|_| Exchange::open(&Head::new(&head, false), http::Extensions::new(), &share, None, start()))
        .collect();
    let others: Vec<_> = (0..14).map(|_| open(&pool.connection()).expect("there is room")).collect();
    let mut late = hanging(&pool).await;
    assert_eq!(late.poll().await, Progress::Waiting);
    idle().await;
    let [first, newest] = <[Exchange; 2]>::try_from(of_one).expect("two");
    for (exchange, expected) in [(first, Progress::Waiting), (newest, Progress::Done)] {
        let mut rig = Rig { exchange, ..hanging(&self::pool(16)).await };
        assert_eq!(rig.poll().await, expected);
        if expected == Progress::Done {
            assert!(matches!(rig.exchange.failure(), Some(Failure::Crowded)));
            assert_eq!((status(&rig, 0).as_str(), rig.reset), ("8", Some(ErrorCode::NO_ERROR)));
        }
    }
    drop(others);
}

/// The connection of an evicted call may not be polled for long, because its peer reads nothing.
#[tokio::test]
async fn an_evicted_call_keeps_nothing() {
    let pool = pool(16);
    let kept = Arc::new(());
    let of_service = Arc::clone(&kept);
    let body = Bytes::from_owner(Owner(Arc::clone(&kept)));
    let mut rig = Rig::with(&pool, &list(CALL), 0, None, move |_| async move {
        let _of_service = of_service;
        let steps = Steps::new([Next::Frame(Frame::data(body)), Next::Hang], false);
        Ok(Response::new(steps))
    });
    for _ in 0..3 {
        assert_eq!(rig.poll().await, Progress::Waiting);
    }
    assert!(Arc::strong_count(&kept) > 1);
    pool.close();
    idle().await;
    assert_eq!(Arc::strong_count(&kept), 1);
}

/// The bytes of a frame, with a counter that shows whether they are kept.
struct Owner(#[expect(dead_code, reason = "it is counted")] Arc<()>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &[7; 10_000]
    }
}

#[tokio::test]
async fn a_call_without_a_slot_has_a_status() {
    let pool = pool(7);
    let rig = hanging(&pool).await;
    assert!(matches!(rig.exchange.failure(), Some(Failure::Crowded)));
    assert_eq!((status(&rig, 0).as_str(), rig.reset, pool.used()), ("8", Some(ErrorCode::NO_ERROR), 0));
}

/// Like reflection.
#[tokio::test]
async fn a_service_that_ends_with_its_request_does_not_hide_the_reason() {
    let pool = pool(8);
    let mut rig = Rig::with(&pool, &list(CALL), 1 << 20, None, |request| async {
        let mut body = request.into_body();
        let cut = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        assert!(cut.is_some_and(|frame| frame.is_err()));
        let trailers = HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
        Ok(Response::new(Steps::new([Next::Frame(Frame::trailers(trailers))], false)))
    });
    assert_eq!(rig.poll().await, Progress::Waiting);
    pool.close();
    idle().await;
    assert_eq!(rig.poll().await, Progress::Done);
    assert_eq!((rig.shapes(), status(&rig, 0).as_str()), (vec![(HEADERS, 0, true)], "14"));
}

#[tokio::test]
async fn closing_a_pool_ends_all_calls() {
    let pool = pool(16);
    let mut before = hanging(&pool).await;
    before.wakes.take();
    pool.close();
    assert_eq!((before.wakes.take(), pool.open()), (1, 0));
    assert_eq!(before.poll().await, Progress::Done);
    let after = hanging(&pool).await;
    for rig in [before, after] {
        assert!(matches!(rig.exchange.failure(), Some(Failure::Closed)));
        assert_eq!((status(&rig, 0).as_str(), rig.reset), ("14", Some(ErrorCode::NO_ERROR)));
    }
    assert_eq!(pool.used(), 0);
}

proptest! {
    /// In any order of events, the limits hold, and everything is released in the end.
    #[test]
    fn the_limits_hold(steps in vec((0..12_usize, 0..4_u8, 0..3 * COST), 1..400)) {
        let pool = pool(24);
        let shares: Vec<_> = (0..12).map(|_| pool.connection()).collect();
        let mut calls: Vec<Vec<CallSlot>> = shares.iter().map(|_| Vec::new()).collect();
        for (of, what, bytes) in steps {
            let own = &mut calls[of];
            let at = bytes % own.len().max(1);
            match own.get_mut(at) {
                Some(_) if what == 0 => drop(own.swap_remove(at)),
                Some(place) if what == 1 => {
                    if place.keep(bytes).is_err() {
                        own.swap_remove(at);
                    }
                }
                _ => own.extend(open(&shares[of])),
            }
            prop_assert!(pool.used() <= 24 * COST && pool.open() * COST <= pool.used());
            prop_assert!(pool.largest() <= 3 * COST);
        }
        calls.clear();
        prop_assert_eq!((pool.used(), pool.open(), pool.largest()), (0, 0, 0));
    }
}
