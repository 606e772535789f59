//! Counts the allocations of a decision. Each costs time in every request, so each has its reason listed here, and an
//! additional one fails the test.
#![allow(missing_docs, clippy::print_stdout)]

use std::alloc::System;

use bench::hot_path;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::runtime::Builder;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const TIMES: usize = 1000;

/// The allocations of each part, with their reasons.
const EXPECTED: &[(&str, usize)] = &[
    ("match, 10 rules", 0),
    ("match, 10 000 rules", 0),
    // the buffer in which the keys of a request are built; a key of up to 96 bytes is stored inline
    ("key", 1),
    ("step, fixed window", 0),
    ("step, sliding window", 0),
    ("step, token bucket", 0),
    // the group, which is shared with its pending outcome
    ("memory store, hot key", 1),
    ("memory store, 10 000 keys", 1),
    // the same buffer
    ("decision, 1 descriptor", 1),
    // lists have inline storage for one descriptor; for more, each is allocated once: descriptors, matches, hits, rules
    // that apply, verdicts, statuses
    ("decision, 5 descriptors", 7),
    ("decision, refused", 1),
    ("decision, refused by the deny cache", 1),
    // only those of the decision: responses are appended to the send buffer
    ("message to message, 1 descriptor", 1),
    ("message to message, 5 descriptors", 7),
    // likewise: HTTP/2 allocates nothing
    ("frames to frames, 1 descriptor", 1),
    ("frames to frames, 5 descriptors", 7),
    // KEYS, their ends and their indices; the positions of kinds, and ARGV\[1\]; ARGV\[2\]
    ("Redis, a call of 64 decisions", 6),
    // the replies
    ("Redis, a reply of 64 decisions", 1),
    ("statistics of a rule", 0),
];

/// One test, because the counts are those of the whole process.
#[test]
fn each_part_of_a_decision_allocates_what_it_must_and_no_more() {
    // the clock is stopped: on a busy machine, entries of the deny cache would expire meanwhile and be allocated again
    let stopped = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    let _entered = stopped.enter();
    let mut wrong = Vec::new();
    for (name, make) in hot_path::CASES {
        let mut work = make();
        // one-time allocations: tables that grow, names of series
        (0..20_000).for_each(|_| work());
        let region = Region::new(ALLOCATOR);
        (0..TIMES).for_each(|_| work());
        let change = region.change();
        let each = (change.allocations + change.reallocations) as f64 / TIMES as f64;
        println!("figures: {name}: {each} allocations");
        let expected = EXPECTED.iter().find(|(known, _)| known == name).map(|(_, count)| *count);
        if expected.is_none_or(|expected| each != expected as f64) {
            wrong.push(format!("{name}: {each}, and not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
