//! `tollgate doctor`: what it reports about good and bad configurations, in text and JSON, with its exit codes; and
//! that docs/doctor.md has each of its lines.
//! docs/doctor.md has each of its lines.

mod certificates;
mod page;
mod ports;
mod redis;
mod rules;
mod run;
mod xds;

use run::{Doctor, RULES};

#[test]
fn a_good_configuration_is_all_ok() {
    let ran = Doctor::new().run();
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "ok    settings      all are valid, and all that are set have an effect");
    assert_eq!(lines[1], "ok    rules         1 file, 1 domain, 1 rule");
    assert_eq!(lines[2], "ok    grpc port     127.0.0.1:0 means any free port");
    assert_eq!(lines[6], "ok    certificates  none are set: no listener has TLS, no client has TLS files");
    assert_eq!(lines.len(), 7, "{}", ran.stdout);
}

#[test]
fn flags_are_those_of_serve_and_win_over_the_environment() {
    let other = run::rules_file("domain: d\ndescriptors: []\n");
    let ran = Doctor::new().args(&["--rules", other.path().to_str().expect("text")]).run();
    assert!(ran.code == 0 && ran.line("rules").ends_with("1 file, 1 domain, 0 rules"), "{}", ran.stdout);
    let ran = Doctor::new().args(&["--grpc-port", "99999"]).env("PORT", "abc").run();
    assert_eq!(ran.code, 1);
    let lines = [
        "fail  settings  --grpc-port (GRPC_PORT): \"99999\" is not a port",
        "fail  settings  PORT: \"abc\" is not a port",
    ];
    for line in lines {
        assert!(ran.stdout.lines().any(|one| one.starts_with(line)), "{}", ran.stdout);
    }
    assert_eq!(ran.stdout.lines().count(), 2, "nothing else can be looked at: {}", ran.stdout);
}

#[test]
fn what_has_no_effect_is_a_warning_and_no_failure() {
    let ran = Doctor::new().env("USE_STATSD", "true").env("REDIS_POOL_SIZE", "5").run();
    let warnings = ran.stdout.lines().filter(|line| line.starts_with("warn  settings")).count();
    assert_eq!((ran.code, warnings), (0, 2), "{}", ran.stdout);
}

#[test]
fn unknown_arguments_exit_with_2() {
    for args in [&["--bogus"][..], &["--timeout", "soon"], &["stray"], &["--port", "1", "--port", "2"]] {
        let ran = Doctor::new().args(args).run();
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}");
        assert!(!ran.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn json_has_the_lines_of_the_text() {
    let doctor = || Doctor::new().env("PROMETHEUS_ADDR", "203.0.113.1:1").env("HOST", "203.0.113.1");
    let (text, json) = (doctor().run(), doctor().args(&["--json"]).run());
    assert_eq!((text.code, json.code), (1, 1), "{}", text.stdout);
    let report: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    let findings = report["findings"].as_array().expect("a list");
    let lines = findings.iter().map(|finding| {
        let part = |name: &str| finding[name].as_str().unwrap_or_default();
        let cure = finding["cure"].as_str().map(|cure| format!(": {cure}")).unwrap_or_default();
        format!("{} {} {}{cure}", part("verdict"), part("name"), part("found"))
    });
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines.map(|line| words(&line)).collect::<Vec<_>>(), text.stdout.lines().map(words).collect::<Vec<_>>());
    assert_eq!(report["counts"], serde_json::json!({"ok": 5, "warn": 1, "fail": 1}));
}

#[test]
fn help_says_what_it_does_and_how_it_ends() {
    let ran = Doctor::new().args(&["--help"]).run();
    assert_eq!(ran.code, 0);
    let exit_codes = "Exit code 0: nothing fails. 1: something fails. 2: the checks could not run.";
    for part in ["--json", "--timeout", "--rules", exit_codes] {
        assert!(ran.stdout.contains(part), "no {part} in {}", ran.stdout);
    }
    assert!(RULES.contains("domain"));
}
