//! The bare server, and a comparison with it.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use crate::bench::run::{assert_adds_up, bench, number};

const RULES: &str = "domain: d\ndescriptors: [{key: k, rate_limit: {unit: year, requests_per_unit: 4000000000}}]\n";

/// A bare server, and where it listens.
fn bare(args: &[&str]) -> (Child, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.args(["bench", "bare"]).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("no address in {line:?}"));
    (child, address.to_owned())
}

#[test]
fn the_bare_server_answers_ok_until_it_is_told_to_end() {
    let (mut child, address) = bare(&["--workers", "1"]);
    let ran = bench(&[&address, "d", "k=v", "--descriptors", "5", "--requests", "1000", "--warm-up", "0s", "--json"]);
    let json = ran.json();
    assert_adds_up(&json);
    assert_eq!((ran.code, number(&json, "ok")), (Some(0), 1000), "{json:#}");
    let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(status.expect("kill runs").success());
    assert_eq!(child.wait().expect("a child").code(), Some(0));
}

#[test]
fn a_bare_server_does_not_outlive_who_started_it() {
    let (mut child, _) = bare(&["--until-stdin-ends"]);
    drop(child.stdin.take());
    assert_eq!(child.wait().expect("a child").code(), Some(0));
}

#[test]
fn a_taken_address_is_said() {
    let (mut child, address) = bare(&[]);
    let ran = bench(&["bare", "--address", &address]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains(&format!("cannot listen on {address}")), "{}", ran.stderr);
    child.kill().expect("a child");
    child.wait().expect("a child");
}

#[test]
fn a_service_is_compared_with_it_round_after_round() {
    let tollgate = testkit::tollgate!().rules(RULES).start();
    let (address, pid) = (tollgate.address("grpc").to_string(), tollgate.pid().to_string());
    let args = [&address, "d", "k=v", "--ceilings", "--pid", &pid, "--pairs", "2", "-n", "2000", "--warm-up", "0s"];
    let ran = bench(&[&args[..], &["--json"]].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    let json = ran.json();
    assert_eq!((json["base"].as_str(), number(&json, "pairs")), (Some("bare tonic"), 2));
    let contenders = json["contenders"].as_array().expect("a list");
    assert_eq!(
        contenders.iter().map(|one| one["name"].as_str()).collect::<Vec<_>>(),
        [Some(&*address), Some("bare tonic")]
    );
    for one in contenders {
        assert_eq!(one["samples"].as_array().map(Vec::len), Some(2));
        assert!(one["median"]["rate"].as_f64() > Some(0.0), "{one:#}");
        assert!(one["of_base"]["rate"].as_f64() > Some(0.0), "{one:#}");
    }
    assert_eq!(contenders[1]["of_base"]["rate"], 1.0);

    let ran = bench(&args);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for start in ["medians of 2 rounds", &address, "bare tonic "] {
        assert!(ran.stdout.lines().any(|line| line.starts_with(start)), "no {start:?} in\n{}", ran.stdout);
    }
    assert!(!ran.stdout.contains("Redis CPU"), "a column that nobody fills is left out: {}", ran.stdout);
}
