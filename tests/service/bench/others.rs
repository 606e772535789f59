//! Any rate limit service can be measured: this one shares no code with ours, not even its HTTP/2.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use crate::bench::run::{assert_adds_up, bench, number};

#[test]
fn a_service_in_python_is_measured_too() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/parts/venv/bin/python");
    assert!(python.exists(), "{} is missing: run tests/run.sh once, which installs it", python.display());
    let mut server = Command::new(python)
        .arg(root.join("tests/independent/server.py"))
        .arg("700")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python runs");
    let mut port = String::new();
    BufReader::new(server.stdout.take().expect("piped")).read_line(&mut port).expect("a port");
    let target = format!("127.0.0.1:{}", port.trim());
    let ran = bench(&[&target, "d", "k=v", "--requests", "1000", "--warm-up", "0s", "-c", "4", "-m", "8", "--json"]);
    drop(server.stdin.take());
    server.wait().expect("python ends");
    assert_eq!(ran.code, Some(0), "{} {}", ran.stdout, ran.stderr);
    let json = ran.json();
    assert_adds_up(&json);
    assert_eq!((number(&json, "ok"), number(&json, "over_limit")), (700, 300), "{json:#}");
}
