//! Tests of what fits, and of what is evicted.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    task::Wake,
};

use super::*;

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn small(process: usize, connection: usize) -> Arc<Budget> {
    Arc::new(Budget { process, connection, state: Mutex::default() })
}

fn is_empty(budget: &Budget) -> bool {
    let state = budget.lock();
    state.used == 0 && state.slots.is_empty() && state.order.is_empty() && state.by_connection.is_empty()
}

const KIB: usize = 1 << 10;

#[test]
fn the_largest_request_fits_in_the_share_of_a_connection() {
    for max in [1, 1 << 20, 4 << 20, 64 << 20, 1 << 32] {
        let budget = Budget::new(max);
        // twice, because a growing buffer is copied
        assert!(budget.connection >= 2 * max + OVERHEAD && budget.process >= budget.connection);
    }
}

#[test]
fn the_bytes_are_unchanged() {
    let budget = small(64 * KIB, 64 * KIB);
    let mut partial = budget.connection().open().expect("room");
    for piece in [&b"one"[..], b"", b" two"] {
        partial.append(piece, 7).expect("room");
    }
    assert_eq!(partial.finish().expect("kept"), b"one two");
    assert!(is_empty(&budget));
}

#[test]
fn a_buffer_grows_with_the_received_bytes_and_not_with_the_announced_length() {
    let budget = small(64 << 20, 64 << 20);
    let mut partial = budget.connection().open().expect("room");
    for piece in 1..=100 {
        partial.append(&[0; 1000], 4 << 20).expect("room");
        assert!(budget.lock().used <= 2 * 1000 * piece + OVERHEAD);
    }
    let mut partial = budget.connection().open().expect("room");
    partial.append(&[0; 600], 1000).expect("room");
    partial.append(&[0; 400], 1000).expect("room");
    assert_eq!(partial.finish().expect("kept").capacity(), 1000, "as long as was announced");
}

#[test]
fn the_request_without_progress_for_longest_is_evicted() {
    let budget = small(10 * KIB, 10 * KIB);
    let share = budget.connection();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let cx = Context::from_waker(&waker);
    let mut first = share.open().expect("room");
    let mut second = budget.connection().open().expect("room");
    first.append(&[1; 3 * KIB], 0).expect("room");
    second.append(&[2; 2 * KIB], 0).expect("room");
    first.append(&[], 0).expect("no more is needed");
    for partial in [&first, &second] {
        partial.check(&cx).expect("kept");
    }
    let mut third = share.open().expect("room");
    third.append(&[3; 4 * KIB], 0).expect("the second is evicted");
    assert_eq!((second.check(&cx), woken.0.load(Ordering::Relaxed)), (Err(Evicted), 1));
    assert_eq!(second.append(&[2], 0), Err(Evicted));
    assert_eq!(second.finish(), Err(Evicted));
    assert_eq!(first.finish().expect("kept").len(), 3 * KIB);
    assert_eq!(third.finish().expect("kept").len(), 4 * KIB);
    assert!(is_empty(&budget));
}

#[test]
fn a_connection_over_its_share_evicts_its_own_requests() {
    let budget = small(100 * KIB, 6 * KIB);
    let (one, other) = (budget.connection(), budget.connection());
    let mut others = other.open().expect("room");
    others.append(&[0; 4 * KIB], 0).expect("room");
    let mut first = one.open().expect("room");
    first.append(&[0; 4 * KIB], 0).expect("room");
    let mut second = one.open().expect("room");
    second.append(&[0; KIB], 0).expect("the first is evicted");
    assert_eq!(first.finish(), Err(Evicted));
    assert_eq!(second.append(&[0; 8 * KIB], 0), Err(Evicted), "more than the share");
    drop(second);
    assert_eq!(others.finish().expect("kept").len(), 4 * KIB);
    assert!(is_empty(&budget));
}

#[test]
fn requests_without_a_byte_are_bounded_in_number() {
    let budget = small(100 * KIB, 10 * KIB);
    let share = budget.connection();
    let open: Vec<_> = (0..50).map(|_| share.open().expect("others are evicted")).collect();
    assert_eq!(budget.lock().slots.len(), 10);
    drop(open);
    assert!(is_empty(&budget));
}
