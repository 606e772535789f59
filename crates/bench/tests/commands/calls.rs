//! `bench calls`.

use crate::run::bench;

/// The numbers of a debug build mean nothing, but everything must be measured.
#[test]
fn calls_of_every_shape_are_measured_beside_plain_commands() {
    let directory = tempfile::tempdir().expect("a directory");
    let script = directory.path().join("script.lua");
    // the same for any call
    std::fs::write(&script, "return redis.call('GET', KEYS[1])").expect("it can be written");
    let script = format!("get={}", script.display());
    let shapes = ["--shapes", "1,64,1x2", "--rates", "200,max", "--redis", "single,cluster", "--script", &script];
    let short = ["--rounds", "1", "-d", "100ms", "--warm-up", "0s"];
    let ran = bench(&[&["calls", "--json"][..], &shapes, &short].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    let json = ran.json();
    let calls = json["calls"].as_array().expect("a list");
    assert_eq!(calls.len(), 12, "three shapes at two rates on two kinds of Redis");
    for call in calls {
        let contenders = call["contenders"].as_array().expect("a list");
        assert_eq!(contenders.len(), 8, "three algorithms with two scripts, and two sorts of plain commands: {call:#}");
        for one in contenders {
            assert!(one["median"]["redis_account_us"].as_f64() > Some(0.0), "{one:#}");
            assert_eq!(one["median"]["decisions_per_call"].as_f64(), call["decisions"].as_f64(), "{one:#}");
        }
    }

    let one = ["calls", "--shapes", "1x4", "--rates", "200", "--algorithms", "sliding_window"];
    let ran = bench(&[&one[..], &short].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    for row in ["| 1 decision of 4 counters | script, sliding window |", "|  | INCRBY + EXPIRE |"] {
        assert!(ran.stdout.lines().any(|line| line.starts_with(row)), "no {row:?} in\n{}", ran.stdout);
    }
}

#[test]
fn what_cannot_be_measured_is_reported() {
    for (args, error) in [
        (["--script", "old=/no/such.lua"], "cannot read the script /no/such.lua"),
        (["--redis-server", "/no/such/redis"], "there is no /no/such/redis: install Redis"),
        (["--shapes", "1x"], "write DECISIONS or DECISIONSxCOUNTERS"),
    ] {
        let ran = bench(&[&["calls"][..], &args].concat());
        assert_eq!(ran.code, Some(2), "{args:?}");
        assert!(ran.stderr.contains(error), "{args:?}: {}", ran.stderr);
    }
}
