//! What a decision costs as things grow: rules, live counters, descriptors of a request, connections; what rules and
//! counters weigh; what a reload of a million rules does to the requests meanwhile, and a connection that floods its worker to
//! the others. `cargo bench --bench scale` prints
//! it and writes `docs/performance/scale.json`, of which `examples/plot_scale.rs` draws the plots. Needs `redis-server`, four
//! gigabytes of memory and a few minutes in which the machine does nothing else; with `SCALE=small`, sizes that only show
//! that it works, and nothing is written.
#![allow(missing_docs, unreachable_pub, clippy::print_stdout, clippy::panic, reason = "a benchmark")]

#[path = "../hot_path/mod.rs"]
#[allow(dead_code, reason = "shared")]
mod hot_path;
mod inside;
mod outside;

use std::{env, fs, path::Path};

use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How far to go.
#[derive(Debug)]
pub struct Sizes {
    pub rules: &'static [usize],
    pub counters: &'static [usize],
    pub descriptors: &'static [usize],
    pub connections: &'static [usize],
    /// Of the rules that are loaded again.
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
    // huge pages are off in the service, too: src/cli/host.rs says why
    rustix::thread::disable_transparent_huge_pages(true).expect("Linux");
    let small = env::var_os("SCALE").is_some_and(|value| value == "small");
    let sizes = if small { &SMALL } else { &FULL };
    // what is weighed comes first, before anything is freed and used again
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

/// What is promised of the largest sizes.
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
    let row = |(case, what, at_most, value): (&str, &str, f64, f64)| json!({"case": case, "what": what, "at_most": at_most, "value": value, "holds": value <= at_most});
    rows.into_iter().map(row).collect()
}

fn save(report: &Value) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("scale.json"), format!("{report:#}\n")).expect("the report can be written");
}
