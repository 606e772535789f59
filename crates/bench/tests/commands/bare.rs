//! The bare server.

use std::{
    io::{BufRead as _, BufReader},
    num::{NonZeroU64, NonZeroUsize},
    process::{Child, Command, Stdio},
    time::Duration,
};

use load::{Config, Keys, Pace, ProcessMeter, Requests, Scenario, Until};

use crate::run::{bench, command};

/// Starts a bare server; also returns its address.
fn bare(args: &[&str]) -> (Child, String) {
    let mut child =
        command(&["bare"]).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("no address in {line:?}"));
    (child, address.to_owned())
}

#[tokio::test]
async fn the_bare_server_answers_ok_until_a_signal_ends_it() {
    let (mut child, address) = bare(&["--workers", "1"]);
    let count = |count| NonZeroUsize::new(count).expect("not zero");
    let descriptor = [("k", "v")].into_iter().collect();
    let scenario = Scenario {
        target: address.parse().expect("an address"),
        requests: Requests::new("d", &[descriptor], count(5), Keys::Hot, None).expect("requests"),
        config: Config {
            connections: count(8),
            streams: count(32),
            threads: count(1),
            pace: Pace::Answers,
            until: Until::Sent(NonZeroU64::new(1000).expect("not zero")),
            warm_up: Duration::ZERO,
            timeout: Duration::from_secs(300),
            seed: 1,
        },
    };
    let measured = scenario.run(&mut ProcessMeter::default(), |_| (), std::future::pending()).await;
    let tally = measured.expect("the server is there").tally;
    assert_eq!((tally.made, tally.ok, tally.errors()), (1000, 1000, 0), "{tally:?}");
    let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(status.expect("kill runs").success());
    assert_eq!(child.wait().expect("a child").code(), Some(0));
}

#[test]
fn a_bare_server_does_not_outlive_its_parent() {
    let (mut child, _) = bare(&["--until-stdin-ends"]);
    drop(child.stdin.take());
    assert_eq!(child.wait().expect("a child").code(), Some(0));
}

#[test]
fn a_taken_address_is_reported() {
    let (mut child, address) = bare(&[]);
    let ran = bench(&["bare", "--address", &address]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains(&format!("cannot listen on {address}")), "{}", ran.stderr);
    child.kill().expect("a child");
    child.wait().expect("a child");
}
