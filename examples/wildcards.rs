//! The cost of finding a rule among siblings with several `*`, regexes or networks, by their number and the value's
//! length. Prints a table with microseconds per lookup, and the cost of loading the rules:
//! `cargo run --release --example wildcards`.
#![allow(clippy::print_stdout, missing_docs)]

use std::{
    alloc::System,
    hint::black_box,
    time::{Duration, Instant},
};

use limiter::domain::{Capabilities, Entry};
use rules::{CompileOptions, RuleFile, RuleSet, compile};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const COUNTS: [usize; 3] = [10, 1_000, 10_000];
const FEWER: [usize; 3] = [10, 100, 1_000];
const LENGTHS: [(usize, &str); 3] = [(100, "100 B"), (60_000, "60 kB"), (1_000_000, "1 MB")];

/// A lookup is repeated for this long, and made at least once.
const PATIENCE: Duration = Duration::from_millis(200);

/// The name of a kind of siblings, the condition of a sibling by its number and their count, and a value by the count
/// and its minimum length.
type Kind = (&'static str, fn(usize, usize) -> String, fn(usize, usize) -> String);

const KINDS: [Kind; 7] = [
    ("`*a17b*c17d*`, no part in the value", apart, |_, length| "/shop/cart?item=".repeat(length / 16 + 1)),
    ("`*a17b*c17d*`, every part in the value, in the wrong order", apart, |count, length| {
        let parts = |first: char, last: char| (0..count).map(move |at| format!("{first}{at}{last}"));
        parts('c', 'd').chain(parts('a', 'b')).collect::<String>() + &"a0b".repeat(length / 3 + 1)
    }),
    ("`*aaa*baa*`, parts in each other", nested, |_, length| format!("b{}", "a".repeat(length))),
    ("`*aaa*aaa*aaa*…b*`, parts that follow each other", repeated, |_, length| format!("b{}", "a".repeat(length))),
    ("`aaa*c*d*`, prefixes in each other", prefixes, |_, length| format!("{}dc", "a".repeat(length - 2))),
    ("regex `.*a17b.*`", |at, _| format!("regex: '.*a{at}b.*'"), |_, length| "axb".repeat(length)),
    (
        "cidr",
        |at, _| format!("cidr: 10.{}.{}.0/24", at / 250, at % 250),
        |_, length| "10.250.0.1".repeat(length / 10 + 1),
    ),
];

fn apart(at: usize, _: usize) -> String {
    format!("value: '*a{at}b*c{at}d*'")
}

/// Uses as many lengths of one part as of the other.
fn nested(at: usize, count: usize) -> String {
    let lengths = count.isqrt() + 1;
    format!("value: '*{}*b{}*'", "a".repeat(at % lengths + 1), "a".repeat(at / lengths))
}

fn repeated(at: usize, count: usize) -> String {
    let lengths = count.isqrt() + 1;
    format!("value: '*{}*b*'", vec!["a".repeat(at % lengths + 1); at / lengths + 1].join("*"))
}

fn prefixes(at: usize, count: usize) -> String {
    let lengths = count.isqrt() + 1;
    format!("value: '{}*c*{}d*'", "a".repeat(at % lengths + 1), "c".repeat(at / lengths))
}

fn rules(siblings: impl Iterator<Item = String>) -> RuleSet {
    let mut content = "domain: d\ndescriptors:\n".to_owned();
    for asks in siblings {
        content += &format!("  - {{key: k, {asks}, rate_limit: {{unit: day, requests_per_unit: 1}}}}\n");
    }
    let file = RuleFile::new("rules.yaml", content);
    match compile(&[file], &CompileOptions::new(Capabilities::ALL)) {
        Ok(compiled) => compiled.rules,
        Err(errors) => unreachable!("{errors}"),
    }
}

fn cost(rules: &RuleSet, value: &str) -> Duration {
    let domain = rules.domain("d").expect("the domain");
    let start = Instant::now();
    for times in 1.. {
        black_box(domain.find(&[Entry::new("k", black_box(value))]));
        if start.elapsed() >= PATIENCE {
            return start.elapsed() / times;
        }
    }
    unreachable!("time passes")
}

fn main() {
    println!("| siblings | their number | {} | loading |", LENGTHS.map(|(_, name)| name).join(" | "));
    println!("|---|---|{}---|", "---|".repeat(LENGTHS.len()));
    for (name, asks, value) in KINDS {
        for count in if name.starts_with("regex") { FEWER } else { COUNTS } {
            let (start, memory) = (Instant::now(), Region::new(ALLOCATOR));
            let rules = rules((0..count).map(|at| asks(at, count)));
            let loading = start.elapsed();
            let change = memory.change();
            let kept = change.bytes_allocated - change.bytes_deallocated;
            let costs = LENGTHS.map(|(length, _)| {
                let mut value = value(count, length);
                value.truncate(length);
                format!("{:.1} µs", cost(&rules, &value).as_nanos() as f64 / 1000.0)
            });
            println!(
                "| {name} | {count} | {} | {:.0} ms, {} kB |",
                costs.join(" | "),
                loading.as_secs_f64() * 1000.0,
                kept / 1000,
            );
        }
    }
}
