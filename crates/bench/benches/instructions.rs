//! Counts the instructions of each part of a decision with callgrind: a number that does not depend on the load of the
//! machine, so it can be committed and compared.
//!
//! `cargo bench -p bench --bench instructions` compares with `instructions.txt` in this folder, and fails if a part
//! takes more instructions; with `BLESS=1` it rewrites that file. Needs `valgrind` in the PATH.
#![allow(missing_docs, clippy::print_stdout, clippy::panic, reason = "a benchmark")]

use std::{env, fmt::Write as _, fs, path::Path, process::Command};

use bench::hot_path;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Tolerance for what another processor's memcpy, or a point release of the compiler, may change.
const SLACK: f64 = 0.05;
/// Two run lengths whose difference is counted, so that setup and warm-up cancel out.
const SHORT: u64 = 2_000;
const LONG: u64 = 12_000;

const HEAD: &str = "\
# Instructions of each part of a decision, by callgrind: `cargo bench -p bench --bench instructions` compares, with
# BLESS=1 it writes.
";

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match &arguments[..] {
        [case, times] => run(case, times.parse().expect("a number of times")),
        _ => compare(),
    }
}

fn run(case: &str, times: u64) {
    let (_, make) = hot_path::CASES.iter().find(|(name, _)| *name == case).expect("a case");
    let mut work = make();
    (0..times).for_each(|_| work());
}

fn compare() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt");
    let before = fs::read_to_string(&path).unwrap_or_default();
    let (mut table, mut more) = (HEAD.to_owned(), Vec::new());
    for (name, _) in hot_path::CASES {
        let each = (instructions(name, LONG) - instructions(name, SHORT)) / (LONG - SHORT);
        let kept = before.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        let change =
            kept.map_or_else(String::new, |kept| format!("  {:+.1} %", (each as f64 / kept as f64 - 1.0) * 100.0));
        println!("{name:<36}{each:>8}{change}");
        let _ = writeln!(table, "{name:<36}{each:>8}");
        if kept.is_none_or(|kept| each as f64 > kept as f64 * (1.0 + SLACK)) {
            more.push(*name);
        }
    }
    if env::var_os("BLESS").is_some() {
        fs::write(&path, table).expect("the table can be written");
    } else if !more.is_empty() {
        panic!("more instructions than in {}, or missing there: {more:?}; BLESS=1 accepts it", path.display());
    }
}

fn instructions(case: &str, times: u64) -> u64 {
    let this = env::current_exe().expect("this program has a path");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args([case, &times.to_string()])
        .output()
        .unwrap_or_else(|error| panic!("valgrind does not start ({error}): install it"));
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}");
    let collected = printed.lines().find_map(|line| line.split("Collected :").nth(1)?.trim().parse().ok());
    collected.unwrap_or_else(|| panic!("no count in the output of valgrind:\n{printed}"))
}
