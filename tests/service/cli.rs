//! The command line: output, exit codes, and the advice on mistakes.

use std::{
    net::TcpListener,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

const FIVE: &str = "tests/fixtures/rules/faulty/five.yaml";
const TWO: &str = "tests/fixtures/rules/faulty/two.yaml";
const SAMPLE: &str = "config/rules/example.yaml";

/// The result of a command.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn ran(output: Output) -> Ran {
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs it in the crate's directory with this environment only.
fn run_with(args: &[&str], env: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR")).env_clear().envs(env.iter().copied());
    ran(command.stdin(Stdio::null()).output().expect("it runs"))
}

fn run(args: &[&str]) -> Ran {
    run_with(args, &[])
}

/// The faults of a JSON report, as (place, path).
fn faults(stderr: &str) -> Vec<(&str, &str)> {
    stderr
        .lines()
        .filter(|line| line.starts_with("tests/"))
        .map(|line| line.splitn(3, ": "))
        .map(|mut parts| (parts.next().expect("a place"), parts.next().expect("a path")))
        .collect()
}

#[test]
fn validate_reports_five_faults_each_at_its_line() {
    let ran = run(&["validate", FIVE]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    let place = |at: &str| format!("{FIVE}:{at}");
    let expected = [
        ("6:13", "descriptors[0].rate_limit.unit"),
        ("10:51", "descriptors[1].rate_limit.requests_per_unit"),
        ("11:5", "descriptors[2].key"),
        ("13:5", "descriptors[3].rate_limt"),
        ("16:35", "descriptors[4].rate_limit.unit"),
    ];
    let expected: Vec<_> = expected.iter().map(|(at, path)| (place(at), *path)).collect();
    let found: Vec<_> = faults(&ran.stderr).into_iter().map(|(at, path)| (at.to_owned(), path)).collect();
    assert_eq!(found, expected, "{}", ran.stderr);
    assert!(ran.stderr.contains("did you mean `minute`?"), "{}", ran.stderr);
    assert!(ran.stderr.contains("did you mean `rate_limit`?"), "{}", ran.stderr);
}

#[test]
fn validate_shows_each_line_with_a_caret_below_the_fault() {
    let ran = run(&["validate", FIVE]);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    let source = std::fs::read_to_string(FIVE).expect("the fixture");
    let mut shown = 0;
    for at in (0..lines.len()).filter(|at| lines[*at].starts_with("tests/")) {
        let mut place = lines[at].split(':').skip(1).map_while(|part| part.parse::<usize>().ok());
        let (line, column) = (place.next().expect("a line"), place.next().expect("a column"));
        let text = source.lines().nth(line - 1).expect("a line of the file");
        let gutter = format!(" {line} | ");
        assert_eq!(lines.get(at + 1).copied(), Some(format!("{gutter}{text}").as_str()), "{}", ran.stderr);
        let caret = lines.get(at + 2).and_then(|line| line.find('^'));
        assert_eq!(caret, Some(gutter.len() + column - 1), "{}", ran.stderr);
        shown += 1;
    }
    assert_eq!(shown, 5);
}

#[test]
fn validate_reports_all_faults_of_all_files() {
    for paths in [&[FIVE, TWO][..], &["tests/fixtures/rules/faulty"]] {
        let ran = run(&[&["validate"], paths].concat());
        assert_eq!(ran.code, Some(1));
        let files: Vec<_> =
            faults(&ran.stderr).iter().map(|(place, _)| place.split(':').next().expect("a file").to_owned()).collect();
        assert_eq!(files, [FIVE, FIVE, FIVE, FIVE, FIVE, TWO, TWO], "{}", ran.stderr);
    }
}

#[test]
fn validate_says_what_is_good_and_what_it_cannot_read() {
    let ran = run(&["validate", "config/rules"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.ends_with("\nok: 1 file, 1 domain, 8 rules\n") && !ran.stdout.contains("warning"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("path=/hello and 1 more match this very text alone"), "{}", ran.stdout);
    let ran = run(&["validate", "no/such/rules"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("no/such/rules does not exist") && ran.stderr.contains("create it"), "{}", ran.stderr);

    let folder = tempfile::tempdir().expect("a folder");
    let same = |name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("domain: d\ndescriptors: [{{key: {}}}]\n", &name[..1])).expect("written");
        path.display().to_string()
    };
    let (a, b) = (same("a.yaml"), same("b.yaml"));
    let ran = run(&["validate", &a, &b]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains(&a) && ran.stderr.contains(&b) && ran.stderr.contains("MERGE_DOMAIN_CONFIG"),
        "{}",
        ran.stderr
    );
    assert_eq!(run(&["validate", "--merge-domain-config", &a, &b]).code, Some(0));
}

#[test]
fn explain_shows_the_rule_what_was_tried_the_counter_and_the_policy() {
    for (descriptor, expected) in [
        (
            "path=/hello",
            &["✓ path=/hello: exact match", "counter {demo|path=/hello}f60  (10 per minute (fixed_window))"][..],
        ),
        (
            "path=/api/x",
            &["✗ path=/api/x: no rule for this value", "✓ path=/api/*: the pattern matches", "(sliding_window)"],
        ),
        (
            "x-user=bob",
            &["✗ x-user=bob", "✓ x-user: any value matches", "5 per second (fixed_window) and 1000 per day"],
        ),
        ("plan=free,x-user=bob", &["✓ plan=free", "entry 2: x-user=bob", "100 per hour"]),
        ("plan=internal,x-user=bob", &["✓ plan=internal", ": unlimited"]),
        ("path=/api/x", &["path=/api/*: all matching values share one counter", "counter {demo|path~/api/*}s60"]),
        ("plan=free", &["✓ plan=free", "no limit applies: ", "deeper"]),
        ("path=/hello,more=x", &["no limit applies: ", "does not apply to more than 1 entry"]),
        (
            "nothing=x",
            &["✗ nothing: no rule without a value", "no limit applies: nothing in the domain matches entry 1"],
        ),
    ] {
        let ran = run(&["explain", "--rules", "config/rules", "demo", descriptor]);
        let no_limit = ran.stdout.contains("no limit applies");
        assert_eq!(ran.code, Some(if no_limit { 3 } else { 0 }), "{}", ran.stderr);
        for part in expected {
            assert!(ran.stdout.contains(part), "{descriptor}: no '{part}' in\n{}", ran.stdout);
        }
        let places = ran.stdout.lines().filter(|line| line.starts_with("rule at"));
        assert_eq!(places.clone().count(), usize::from(!no_limit), "{}", ran.stdout);
        assert!(places.into_iter().all(|line| line.contains(&format!("{SAMPLE}:"))), "{}", ran.stdout);
    }
    let ran = run(&["explain", "--rules", "config/rules", "dmeo", "a=b"]);
    assert_eq!(ran.code, Some(3));
    let message = "no limit applies: domain `dmeo` is unknown; did you mean `demo`? (known: demo)";
    assert!(ran.stdout.contains(message), "{}", ran.stdout);
    // one match is enough, since the entries are those of one request
    let ran = run(&["explain", "--rules", "config/rules", "demo", "a=b", "path=/hello"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let ran = run(&["explain", "--rules", "config/rules", "demo", "a=b", "c=d"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stdout);
    for command in ["explain", "check"] {
        let help = run(&[command, "--help"]).stdout.replace('\n', " ");
        assert!(help.contains("3 if none of them has a rule"), "{help}");
    }
    let ran = run(&["explain", "--rules", FIVE, "shop", "a=b"]);
    assert_eq!((ran.code, faults(&ran.stderr).len()), (Some(1), 5));
}

#[test]
fn explain_answers_in_json_too() {
    let ran = run(&["explain", "--json", "--rules", "config/rules", "demo", "path=/api/x", "plan=free"]);
    let both: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let (matched, deeper) = (&both[0], &both[1]);
    assert_eq!(matched["domain"], "demo");
    assert_eq!(matched["outcome"]["matched"], true);
    assert_eq!(matched["outcome"]["place"]["file"], SAMPLE);
    assert_eq!(matched["outcome"]["policy"], "60 per minute (sliding_window)");
    assert_eq!(matched["counters"][0]["key"], "{demo|path~/api/*}s60");
    let tried = matched["levels"][0]["tried"].as_array().expect("a list");
    let tried: Vec<_> = tried.iter().map(|one| (one["candidate"].as_str(), one["matched"].as_bool())).collect();
    assert_eq!(tried, [(Some("path=/api/x"), Some(false)), (Some("path=/api/*"), Some(true))]);
    assert_eq!(deeper["outcome"]["matched"], false);
    assert!(deeper["outcome"]["why"].as_str().is_some_and(|why| why.contains("deeper")), "{deeper}");
    assert_eq!(deeper["counters"], serde_json::json!([]));
}

const ONE: &str = "domain: d\ndescriptors: [{key: k, rate_limit: {unit: year, requests_per_unit: 3, name: three}}]\n";

#[test]
fn check_asks_a_running_service_and_exits_with_the_answer() {
    let tollgate = testkit::tollgate!(ONE);
    let address = tollgate.address("grpc").to_string();
    let ran = run(&["check", &address, "d", "k=v", "none=x", "--hits", "2"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let mut lines = ran.stdout.lines();
    assert_eq!(lines.next(), Some("OK"));
    let status = lines.next().expect("a status");
    assert!(status.starts_with("  k=v: OK, 1 of 3 per year left (three), resets in "), "{}", ran.stdout);
    assert_eq!(lines.next(), Some("  none=x: OK, no limit applies"));

    let ran = run(&["check", &address, "d", "k=v", "--hits", "2"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.starts_with("OVER_LIMIT\n  k=v: OVER_LIMIT, 0 of 3 per year left"), "{}", ran.stdout);

    // a look charges nothing
    for _ in 0..2 {
        let ran = run(&["check", &address, "d", "k=w", "--hits", "0"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(
            ran.stdout.starts_with("OK (a look: nothing was charged)\n  k=w: OK, 3 of 3 per year left"),
            "{}",
            ran.stdout
        );
    }

    let ran = run(&["check", &address, "d", "none=x", "nor=x"]);
    assert_eq!(ran.code, Some(3));
    let ran = run(&["check", &address, "d", "none=x"]);
    assert_eq!(ran.code, Some(3));
    assert!(ran.stdout.contains("no limit applies: no rule of domain `d` matches"), "{}", ran.stdout);
    let ran = run(&["check", &address, "e", "k=v"]);
    assert_eq!(ran.code, Some(3));
    assert!(ran.stdout.contains("no limit applies: domain `e` is unknown"), "{}", ran.stdout);

    let ran = run(&["check", &address, "", "k=v"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("InvalidArgument: rate limit domain must not be empty"), "{}", ran.stderr);
}

#[test]
fn check_of_an_unreachable_address_gives_advice() {
    let ran = run(&["check", "127.0.0.1:1", "d", "k=v"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    for part in ["127.0.0.1:1", "refused", "is the service running", "gRPC port"] {
        assert!(ran.stderr.contains(part), "no '{part}' in {}", ran.stderr);
    }
    let ran = run(&["check", "no address", "d", "k=v"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("localhost:8081"), "{}", ran.stderr);
}

#[test]
fn health_says_whether_the_service_of_this_environment_is_healthy() {
    let tollgate = testkit::tollgate!().rules(ONE).env("DRAIN_DELAY", "1h").start();
    let port = tollgate.address("http").port().to_string();
    for env in [&[("PORT", port.as_str())][..], &[("PORT", &port), ("HOST", "127.0.0.1")]] {
        let ran = run_with(&["health"], env);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "OK\n", ""));
    }
    let address = format!("127.0.0.1:{port}");
    assert_eq!(run(&["health", &address]).code, Some(0));

    tollgate.signal("TERM");
    tollgate.wait_for_log("unready from now on");
    let page = |page: &str| run(&["health", &format!("http://{address}/{page}")]);
    let ran = run_with(&["health"], &[("PORT", &port)]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    let message = format!("http://localhost:{port}/healthcheck answered 500 Internal Server Error: shutting down\n");
    assert_eq!(ran.stderr, message);
    assert_eq!((page("readyz").code, page("livez").code), (Some(1), Some(0)));
    let ran = page("no-such-page");
    assert!(ran.code == Some(1) && ran.stderr.contains("404"), "{}", ran.stderr);
}

#[test]
fn health_of_an_unreachable_address_exits_with_1_never_with_2_which_docker_reserves() {
    for (args, env, message) in [
        (&["health"][..], &[("HOST", "127.0.0.1"), ("PORT", "1")][..], "is the service running"),
        (&["health", "no address"], &[], "localhost:8080"),
        (&["health"], &[("PORT", "tcp://10.0.0.1:80")], "PORT"),
    ] {
        let ran = run_with(args, env);
        assert!(ran.code == Some(1) && ran.stdout.is_empty(), "{args:?}");
        assert!(ran.stderr.contains(message), "no '{message}' in {}", ran.stderr);
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let deaf = listener.local_addr().expect("its address").to_string();
    let ran = run(&["health", &deaf]);
    assert!(ran.code == Some(1) && ran.stderr.contains("did not answer within"), "{}", ran.stderr);
    drop(listener);
}

#[test]
fn help_lists_commands_and_groups_flags() {
    let ran = run(&["--help"]);
    assert_eq!(ran.code, Some(0));
    for command in ["serve", "validate", "explain", "check", "health"] {
        assert!(ran.stdout.lines().any(|line| line.trim_start().starts_with(command)), "{}", ran.stdout);
    }
    let ran = run(&["serve", "--help"]);
    assert_eq!(ran.code, Some(0));
    let (mut group, mut found) = ("", Vec::new());
    for line in ran.stdout.lines() {
        if !line.starts_with(' ') && line.ends_with(':') {
            group = line.trim_end_matches(':');
        } else if let Some(flag) = line.trim_start().strip_prefix("--") {
            found.push((group, flag.split(' ').next().expect("a name")));
        }
    }
    for wanted in
        [("Rules", "rules"), ("Listeners", "grpc-port"), ("Counters", "max-counters"), ("Logging", "log-level")]
    {
        assert!(found.contains(&wanted), "{wanted:?} is not in {found:?}");
    }
}

#[test]
fn under_the_name_ratelimit_it_serves() {
    let folder = tempfile::tempdir().expect("a folder");
    let link = folder.path().join("ratelimit");
    symlink(Path::new(env!("CARGO_BIN_EXE_tollgate")), &link).expect("a link");
    let tollgate = testkit::tollgate!().program(&link).rules(ONE).start();
    let ran = run(&["check", &tollgate.address("grpc").to_string(), "d", "k=v"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn all_malformed_settings_are_reported_at_once() {
    let env = [("PORT", "abc"), ("NEAR_LIMIT_RATIO", "80%"), ("SHADOW_MODE", "maybe"), ("GRPC_PORT", "1")];
    let ran = run_with(&["--grpc-port", "99999"], &env);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 4, "{}", ran.stderr);
    for (name, value) in
        [("PORT", "abc"), ("NEAR_LIMIT_RATIO", "80%"), ("SHADOW_MODE", "maybe"), ("--grpc-port (GRPC_PORT)", "99999")]
    {
        let start = format!("{name}: \"{value}\" is not ");
        assert!(lines.iter().any(|line| line.starts_with(&start)), "no '{start}' in {}", ran.stderr);
    }
}

#[test]
fn settings_not_supported_yet_are_rejected_with_advice() {
    let ran = run_with(&[], &[("BACKEND_TYPE", "memcache")]);
    assert_eq!(ran.code, Some(2));
    for part in ["BACKEND_TYPE", "not supported yet", "BACKEND_TYPE=memory"] {
        assert!(ran.stderr.contains(part), "no '{part}' in {}", ran.stderr);
    }
}

#[test]
fn a_busy_port_is_named_with_its_setting() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let busy = holder.local_addr().expect("its address");
    let (port, address) = (busy.port().to_string(), busy.to_string());
    for variable in ["PORT", "GRPC_PORT"] {
        let mut tollgate = testkit::tollgate!().rules(ONE).env(variable, &port).spawn();
        assert_eq!(tollgate.exit().code(), Some(1), "{variable}");
        let message = tollgate.wait_for_log(variable);
        assert!(message.contains(&address) && message.contains("another process has it"), "{message}");
    }
    // the service starts without the listeners that only inform, as in the reference
    for (variable, value) in [
        ("DEBUG_PORT", port.as_str()),
        ("PROMETHEUS_ADDR", &address),
        ("DEBUG_HOST", "no.such.host.invalid"),
        ("DEBUG_HOST", "203.0.113.1"),
        ("PROMETHEUS_ADDR", "no.such.host.invalid:9090"),
    ] {
        let mut tollgate = testkit::tollgate!().rules(ONE).env(variable, value).start();
        let message = tollgate.wait_for_log(variable);
        assert!(message.contains("serving without it") && message.contains("\"level\":\"error\""), "{message}");
        let host = value.split(':').next().expect("itself");
        assert!(message.contains(&address) || message.contains(host), "{message}");
        tollgate.signal("TERM");
        assert!(tollgate.exit().success(), "{variable}={value}");
    }
    drop(holder);
}
