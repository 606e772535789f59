//! Ten million distinct keys through a memory store bounded at one million: memory, the slowest single call, and
//! whether a denied or nearly spent counter was lost. Run it with
//! `cargo run --release --example flood`; memory is measured on Linux only.

#![allow(clippy::print_stdout)]

use std::{
    future::Future,
    num::NonZeroUsize,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use limiter::{
    domain::{Algorithm, CounterKey, Limit, RateLimiter, SystemClock, Unit, Verdict},
    memory::{MemoryConfig, MemoryStore},
};

const BOUND: usize = 1_000_000;
const FLOOD: usize = 10 * BOUND;
const WATCHED: usize = 10_000;

/// The store never waits, so its futures are ready at once.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the memory store waits for nothing"),
    }
}

fn take(store: &MemoryStore, name: &str, limit: Limit, n: u64) -> Verdict {
    ready(store.allow_n(CounterKey::from_bytes(name.as_bytes()), limit, n)).expect("the store is open")
}

fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

fn main() {
    let max_counters = NonZeroUsize::new(BOUND).expect("not zero");
    let store = MemoryStore::new(MemoryConfig { max_counters }, Arc::new(SystemClock));
    // a year, so that nothing expires on the way
    let limit = |algorithm| Limit::new(algorithm, 100, Unit::Year.into(), None, None).expect("a limit");
    println!("empty store: {:.1} MiB resident", resident_mib());
    for number in 0..WATCHED {
        let limit = limit(Algorithm::ALL[number % 3]);
        take(&store, &format!("spent {number}"), limit, 90);
        take(&store, &format!("denied {number}"), limit, 100);
        assert!(!take(&store, &format!("denied {number}"), limit, 1).allowed, "its hundred are gone");
    }
    let (mut slowest, started) = (Duration::ZERO, Instant::now());
    for number in 0..FLOOD {
        let (name, limit) = (format!("domain|client={number:010}|f"), limit(Algorithm::ALL[number % 3]));
        let before = Instant::now();
        take(&store, &name, limit, 1);
        slowest = slowest.max(before.elapsed());
        if (number + 1) % BOUND == 0 {
            let (million, resident) = ((number + 1) / BOUND, resident_mib());
            let per_counter = resident * 1024.0 * 1024.0 / store.len() as f64;
            println!("{million:>2} million keys: {} live, {resident:.1} MiB, {per_counter:.0} B each", store.len());
        }
    }
    let each = started.elapsed().as_nanos() as usize / FLOOD;
    println!("{each} ns a key with its formatting and timing; slowest single call {slowest:?}; {:?}", store.stats());
    let lost = (0..WATCHED)
        .filter(|number| {
            let limit = limit(Algorithm::ALL[number % 3]);
            take(&store, &format!("spent {number}"), limit, 0).before < 89
                || take(&store, &format!("denied {number}"), limit, 1).allowed
        })
        .count();
    println!("of {WATCHED} denied and {WATCHED} nearly spent counters, {lost} pairs were harmed");
    assert_eq!(lost, 0, "the flood has reset counters");
}
