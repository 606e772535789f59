use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Instant,
};

use super::*;
use crate::{
    cpu::Costs,
    request::{Keys, Outcome, Requests, Trouble},
    run::Tally,
};

const MILLISECOND: Duration = Duration::from_millis(1);

fn scenario(pace: Pace) -> Scenario {
    let descriptor = [("user", "{}")].into_iter().collect();
    let requests = Requests::new("shop", &[descriptor], NonZeroUsize::new(2).expect("not zero"), Keys::Hot, None);
    let config = Config {
        connections: NonZeroUsize::new(8).expect("not zero"),
        streams: NonZeroUsize::new(32).expect("not zero"),
        threads: NonZeroUsize::MIN,
        pace,
        until: Until::Elapsed(Duration::from_secs(2)),
        warm_up: Duration::from_secs(1),
        timeout: Duration::from_secs(10),
        seed: 1,
    };
    Scenario { target: "host:8081".parse().expect("a target"), requests: requests.expect("requests"), config }
}

fn measured(outcomes: &[(Outcome, u64)]) -> Measured {
    let mut tally = Tally::default();
    for (outcome, count) in outcomes {
        for _ in 0..*count {
            tally.made += 1;
            tally.ended(*outcome, 3 * MILLISECOND, "so it said");
            if !matches!(outcome, Outcome::Failed(_)) {
                tally.arrived(Instant::now());
            }
        }
    }
    tally.connections.opened = 8;
    let costs = Costs { own: Some(MILLISECOND), server: Some(10 * MILLISECOND), redis: None };
    Measured { tally, elapsed: Duration::from_secs(2), costs, stopped: false }
}

fn reports(pace: Pace, measured: &Measured) -> (String, Value) {
    let scenario = scenario(pace);
    (as_text(&scenario, measured), as_json(&scenario, measured))
}

#[test]
fn a_good_run_is_reported() {
    let (text, json) = reports(Pace::Answers, &measured(&[(Outcome::Ok, 1500), (Outcome::OverLimit, 500)]));
    for line in [
        "host:8081: 8 connections × 32 streams, closed loop, 2 descriptors, keys hot, 2s after 1s of warm-up",
        "rate      1 000 answers/s",
        "requests  2 000: 1 500 OK, 500 over the limit",
        "errors    none",
        "latency   p50 3.00 ms  p90 3.00 ms  p99 3.00 ms  p99.9 3.00 ms  max 3.00 ms",
        "CPU       0.50 µs here, 5.00 µs in the server an answer",
        "  up to    5 ms  ████████████████████████████████████████  100.00 %",
    ] {
        assert!(text.lines().any(|one| one == line), "no {line:?} in\n{text}");
    }
    assert!(!text.contains("note"), "{text}");
    assert_eq!(json["rate"], 1000.0);
    assert_eq!((&json["requests"], &json["answered"], &json["failed"]), (&json!(2000), &json!(2000), &json!(0)));
    assert_eq!((&json["ok"], &json["over_limit"]), (&json!(1500), &json!(500)));
    assert_eq!(json["cpu_us_per_answer"], json!({"generator": 0.5, "server": 5.0, "redis": null}));
    assert_eq!(json["load"]["loop"], "closed");
    assert_eq!(json["histogram"], json!([{"up_to_us": 5000.0, "count": 2000}]));
    assert_eq!((&json["errors"], &json["notes"]), (&json!({}), &json!([])));
}

/// Scripts read these names: changing one breaks them.
#[test]
fn the_names_in_the_json_are_stable() {
    let (_, json) = reports(Pace::Answers, &measured(&[(Outcome::Ok, 1)]));
    let names = |value: &Value| -> Vec<String> { value.as_object().expect("an object").keys().cloned().collect() };
    let expected = "answered connections cpu_us_per_answer denied_share descriptors domain elapsed_seconds errors failed \
                    histogram keys latency_us lateness_us load notes ok over_limit rate request_bytes requests stopped \
                    target unknown warm_up_requests";
    assert_eq!(names(&json).join(" "), expected);
    assert_eq!(names(&json["latency_us"]).join(" "), "max mean min p50 p90 p99 p99_9");
    assert_eq!(names(&json["connections"]).join(" "), "lost opened refused retired");
    let expected = "connections loop rate requests seconds seed streams threads timeout_seconds warm_up_seconds";
    assert_eq!(names(&json["load"]).join(" "), expected);
}

#[test]
fn errors_are_reported_by_kind_with_their_message() {
    let unavailable = Outcome::Failed(Trouble::Status(14));
    let lost = Outcome::Failed(Trouble::ConnectionLost);
    let mut measured = measured(&[(unavailable, 1200), (lost, 3)]);
    measured.stopped = true;
    measured.tally.connections.lost = 2;
    let (text, json) = reports(Pace::Answers, &measured);
    for part in [
        "errors    1 203\n",
        "1 200 × gRPC UNAVAILABLE, such as \"so it said\"\n",
        "3 × connection lost",
        "note      it was ended early\n",
        "2 connections broke; 0 attempts to make them again failed",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert!(!text.contains("latency"), "{text}");
    assert_eq!(json["errors"]["gRPC UNAVAILABLE"], json!({"count": 1200, "example": "so it said"}));
    assert_eq!((&json["latency_us"], &json["cpu_us_per_answer"]["server"]), (&Value::Null, &Value::Null));
}

#[test]
fn conditions_that_make_numbers_doubtful_are_noted() {
    let rate = NonZeroU32::new(2000).expect("not zero");
    let mut measured = measured(&[(Outcome::Ok, 1000)]);
    measured.costs.own = Some(Duration::from_millis(1900));
    measured.tally.connections.max_streams = Some(10);
    measured.tally.late(5 * MILLISECOND);
    let (text, json) = reports(Pace::Rate(rate), &measured);
    for part in [
        "rate      500 answers/s of 2 000 requests/s\n",
        "the server allows 10 streams a connection",
        "making the load took 95 % of 1 thread",
        "the server did not keep up with 2 000 requests a second",
        "the generator was late: one request of a hundred by 5.00 ms",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert_eq!(json["notes"].as_array().map(Vec::len), Some(4));
    assert_eq!((&json["load"]["loop"], &json["load"]["rate"]), (&json!("open"), &json!(2000)));
}
