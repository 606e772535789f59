//! The cost of finding a rule, by the number and kind of its siblings; and the cost of regular expressions that are
//! made to be slow. Prints nanoseconds per lookup: `cargo run --release --example matching`.
#![allow(clippy::print_stdout, missing_docs)]

use std::{hint::black_box, time::Instant};

use limiter::domain::{Capabilities, Entry};
use rules::{CompileOptions, RuleFile, RuleSet, compile};

const LOOK_UPS: usize = 200_000;

fn rules(siblings: &[String]) -> RuleSet {
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

/// Nanoseconds per lookup of these values in turn.
fn cost(rules: &RuleSet, values: &[String], look_ups: usize) -> f64 {
    let domain = rules.domain("d").expect("the domain");
    let start = Instant::now();
    for value in values.iter().cycle().take(look_ups) {
        black_box(domain.find(&[Entry::new("k", black_box(value))]));
    }
    start.elapsed().as_nanos() as f64 / look_ups as f64
}

fn address(at: usize) -> String {
    format!("10.{}.{}", at / 250, at % 250)
}

/// A case's name, its sibling with this number, and a value that this sibling matches.
type Case = (&'static str, fn(usize) -> String, fn(usize) -> String);

fn main() {
    let cases: [Case; 5] = [
        ("value", |at| format!("value: v{at}"), |at| format!("v{at}")),
        (
            "values, ten each",
            |at| format!("values: [{}]", (0..10).map(|n| format!("v{at}-{n}")).collect::<Vec<_>>().join(", ")),
            |at| format!("v{at}-7"),
        ),
        ("cidr", |at| format!("cidr: {}.0/24", address(at)), |at| format!("{}.7", address(at))),
        ("value with *", |at| format!("value: '/v{at}/*'"), |at| format!("/v{at}/x")),
        ("regex", |at| format!("regex: '/v{at}/[a-z]+'"), |at| format!("/v{at}/x")),
    ];
    for (name, sibling, value) in cases {
        let costs = [10, 10_000].map(|count| {
            let rules = rules(&(0..count).map(sibling).collect::<Vec<_>>());
            let values: Vec<String> = (0..count).map(value).collect();
            cost(&rules, &values, if name == "regex" { LOOK_UPS / 100 } else { LOOK_UPS })
        });
        println!("{name}: {:.0} ns among 10 siblings, {:.0} ns among 10 000", costs[0], costs[1]);
    }
    let long = ["a".repeat(100_000)];
    for regex in ["(a+)+b", "(a|aa)+b", "(.*a){12}b", "(a|b)*a(a|b){9}"] {
        let nanos = cost(&rules(&[format!("regex: '{regex}'")]), &long, 100);
        println!("regex {regex} on 100 kB: {:.0} µs, {:.2} ns a byte", nanos / 1000.0, nanos / 100_000.0);
    }
}
