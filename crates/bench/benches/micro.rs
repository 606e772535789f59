//! Measures the time of each part of a decision: `cargo bench -p bench --bench micro`. Compare only ratios: between
//! parts, and between runs on the same machine.
#![allow(missing_docs, reason = "a benchmark")]

use std::{
    hint::black_box,
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use bench::hot_path;
use criterion::{Criterion, criterion_group, criterion_main};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn parts(criterion: &mut Criterion) {
    for (name, make) in hot_path::CASES {
        let mut work = make();
        criterion.bench_function(name, |bencher| bencher.iter(&mut work));
    }
    let mut work = hot_path::find(1_000_000);
    criterion.bench_function("match, 1 000 000 rules", |bencher| bencher.iter(&mut work));
}

/// The time of one hit per thread, with as many threads as cores on one store.
fn memory_store_on_all_cores(criterion: &mut Criterion) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    for (name, keys) in
        [("memory store, hot key, all cores", 1), ("memory store, 10 000 keys, all cores", hot_path::KEYS)]
    {
        let store = hot_path::shared_store();
        criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                let start = Barrier::new(cores);
                let longest = thread::scope(|scope| {
                    let run = |thread: usize| {
                        let mut hit = hot_path::hits(Arc::clone(&store), keys, thread * keys / cores);
                        let start = &start;
                        move || {
                            start.wait();
                            let since = Instant::now();
                            (0..times).for_each(|_| black_box(&mut hit)());
                            since.elapsed()
                        }
                    };
                    let threads: Vec<_> = (0..cores).map(|thread| scope.spawn(run(thread))).collect();
                    threads.into_iter().map(|thread| thread.join().expect("no panic")).max()
                });
                longest.unwrap_or(Duration::ZERO)
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30);
    targets = parts, memory_store_on_all_cores
}
criterion_main!(benches);
