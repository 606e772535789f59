//! The cost of a decision as things grow: rules, live counters, descriptors of a request, connections; the memory of
//! rules and counters; how a reload of a million rules affects concurrent requests, and how a connection that floods
//! its worker affects the others. `cargo bench -p bench --bench scale` prints the results and writes
//! `docs/performance/scale.json`, from which `bench plot` draws the plots. Needs a release build of Tollgate,
//! `redis-server`, four gigabytes of memory and a few minutes on an idle machine. With `SCALE=small` it only checks
//! itself with small sizes and writes nothing.
#![allow(missing_docs, unreachable_pub, clippy::print_stdout, clippy::panic, reason = "a benchmark")]

mod inside;
mod outside;
mod service;

use std::{env, fs};

use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The sizes to measure.
#[derive(Debug)]
pub struct Sizes {
    pub rules: &'static [usize],
    pub counters: &'static [usize],
    pub descriptors: &'static [usize],
    pub connections: &'static [usize],
    /// The number of rules in the reload.
    pub reload: usize,
    pub counters_in_redis: usize,
    pub seconds: &'static str,
}

const FULL: Sizes = Sizes {
    rules: &[10, 100, 1_000, 10_000, 100_000, 1_000_000],
    counters: &[1_000, 10_000, 100_000, 1_000_000, 10_000_000],
    descriptors: &[1, 2, 3, 5, 10, 20],
    connections: &[1, 2, 10, 50, 100, 500, 1_000],
    reload: 1_000_000,
    counters_in_redis: 100_000,
    seconds: "5s",
};

const SMALL: Sizes = Sizes {
    rules: &[10, 100],
    counters: &[1_000, 10_000],
    descriptors: &[1, 20],
    connections: &[1, 10],
    reload: 1_000,
    counters_in_redis: 1_000,
    seconds: "200ms",
};

fn main() {
    // without huge pages, like the service
    tollgate::cli::prepare();
    let small = env::var_os("SCALE").is_some_and(|value| value == "small");
    let sizes = if small { &SMALL } else { &FULL };
    // memory is measured first, before any allocation is freed and reused
    let counters = inside::counters(sizes);
    let rules = inside::rules(sizes);
    let mut report = json!({
        "counters": counters,
        "rules": rules,
        "descriptors": inside::descriptors(sizes),
        "connections": outside::connections(sizes),
        "isolation": outside::isolation(sizes),
        "reload": outside::reload(sizes),
        "redis": outside::redis(sizes),
    });
    let targets = targets(&report);
    for target in &targets {
        println!("{target}");
    }
    report["targets"] = targets.into();
    if !small {
        save(&report);
    }
    assert!(
        small || report["targets"].as_array().is_some_and(|all| all.iter().all(|one| one["holds"] == true)),
        "a target is missed"
    );
}

/// The promised bounds at the largest sizes.
fn targets(report: &Value) -> Vec<Value> {
    let last = |table: &str, column: &str| {
        let rows = report[table].as_array().expect("a table");
        rows.last().and_then(|row| row[column].as_f64()).unwrap_or(f64::NAN)
    };
    let few = report["rules"][0]["hot_ns"].as_f64().expect("a number");
    let slowest = report["reload"]["meanwhile"]["latency_us"]["max"].as_f64().expect("a number");
    let rows = [
        ("the most rules, a hot one", "times what ten rules cost", 1.2, last("rules", "hot_ns") / few),
        ("the most rules, all alike", "ns to find one", 500.0, last("rules", "uniform_ns")),
        ("the most rules, loaded anew", "ms that the slowest request took meanwhile", 10.0, slowest / 1e3),
        (
            "a live counter of a fixed window",
            "bytes beyond its key",
            150.0,
            last("counters", "bytes_each") - last("counters", "key_bytes"),
        ),
    ];
    let row = |(case, what, at_most, value): (&str, &str, f64, f64)| {
        let holds = value <= at_most;
        json!({"case": case, "what": what, "at_most": at_most, "value": value, "holds": holds})
    };
    rows.into_iter().map(row).collect()
}

fn save(report: &Value) {
    let folder = bench::plot::folder();
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("scale.json"), format!("{report:#}\n")).expect("the report can be written");
}
