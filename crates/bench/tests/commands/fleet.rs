//! `bench fleet`.

use std::{
    io::Read as _,
    process::{Command, Stdio},
    time::Duration,
};

use bench::process;

use crate::run::{bench, command};

fn tollgate() -> String {
    process::built_tollgate().expect("this program has a path").display().to_string()
}

/// The numbers of a debug build mean nothing, but everything must be measured.
#[test]
fn fleets_are_measured_beside_plain_commands() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("fleet.json");
    let (path, other) = (file.display().to_string(), format!("one={},WORKERS=1", tollgate()));
    let fleets = ["--processes", "2", "--rates", "50", "--keys", "uniform:100", "--redis", "single,cluster"];
    let short = ["--rounds", "1", "-d", "500ms", "--warm-up", "100ms", "--save", &path, "--with", &other];
    let ran = bench(&[&["fleet"][..], &fleets, &short].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    let saved: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).expect("it was saved")).expect("JSON");
    let fleets = saved["fleets"].as_array().expect("a list");
    assert_eq!(fleets.iter().map(|one| &one["redis"]).collect::<Vec<_>>(), ["single", "cluster"]);
    for fleet in fleets {
        let contenders = fleet["contenders"].as_array().expect("a list");
        assert_eq!(contenders.len(), 4, "{fleet:#}");
        for one in contenders {
            let name = one["name"].as_str().expect("a name");
            let median = |figure: &str| one["median"][figure].as_f64();
            for figure in ["redis_cpu_us", "redis_account_us", "redis_call_us", "p50_us", "p99_us"] {
                assert!(median(figure) > Some(0.0), "{name}, {figure}: {one:#}");
            }
            assert_eq!(median("server_cpu_us").is_some(), name != "INCRBY + EXPIRE of clients", "{one:#}");
            assert!(median("decisions_per_call") > Some(0.0), "{one:#}");
        }
    }
    for row in ["| 2 × 50/s, uniform:100, cluster | now |", "|  | one |", "|  | INCRBY + EXPIRE of a bare service |"] {
        assert!(ran.stdout.lines().any(|line| line.starts_with(row)), "no {row:?} in\n{}", ran.stdout);
    }
}

#[test]
fn programs_that_are_not_there_are_reported() {
    let ran = bench(&["fleet", "--now", "/no/such/tollgate"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("/no/such/tollgate is missing: build it"), "{}", ran.stderr);
    let ran = bench(&["fleet", "--redis-server", "/no/such/redis"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("there is no /no/such/redis: install Redis"), "{}", ran.stderr);
    let ran = bench(&["fleet", "--with", "now=/bin/true"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("two contenders are named \"now\""), "{}", ran.stderr);
}

#[test]
fn a_signal_ends_every_process() {
    let mut child =
        command(&["fleet", "--rounds", "1", "-d", "1h", "--processes", "2", "--rates", "10", "--no-reference"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
    let pid = child.id().to_string();
    let children = || {
        let listed = Command::new("pgrep").args(["-P", &pid]).output().expect("pgrep runs").stdout;
        String::from_utf8(listed).expect("text").lines().map(str::to_owned).collect::<Vec<_>>()
    };
    // a Redis and two processes of the service
    while children().len() < 3 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let all = children();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    assert_eq!(child.wait().expect("a child").code(), Some(2));
    let mut stderr = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut stderr).expect("text");
    assert!(stderr.contains("interrupted"), "{stderr}");
    for process in all {
        assert!(!std::path::Path::new(&format!("/proc/{process}")).exists(), "{process} is still there");
    }
}
