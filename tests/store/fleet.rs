//! Several processes on one Redis share one limit, whatever their clocks show.

use std::{sync::Arc, time::SystemTime};

use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use tokio::{sync::Barrier, task::JoinSet};

use testkit::redis::Redis;
use testkit::{
    process::Tollgate,
    rls::{ask, client, request},
};

const LIMIT: u64 = 10_000;
const PROCESSES: usize = 4;
const CONNECTIONS: usize = 8;
/// Concurrent calls on each connection.
const STREAMS: usize = 4;
/// The calls of each stream: together well above the limit.
const CALLS: usize = 125;

/// The windows last a year and so do not end during the test; the bucket has an hour, so that it refills; the calendar
/// is that of a time zone in which it is about noon.
fn rules() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("past 1970").as_secs();
    // POSIX counts west of Greenwich as positive
    let west = (now / 3600 % 24) as i64 - 12;
    format!(
        "
domain: fleet
descriptors:
  - {{key: fixed_window, rate_limit: {{unit: year, requests_per_unit: {LIMIT}}}}}
  - {{key: sliding_window, rate_limit: {{unit: year, requests_per_unit: {LIMIT}, algorithm: sliding_window}}}}
  - {{key: token_bucket, rate_limit: {{unit: hour, requests_per_unit: {LIMIT}, algorithm: token_bucket}}}}
  - key: calendar
    rate_limit: {{unit: day, requests_per_unit: {LIMIT}, calendar: true, time_zone: Etc/GMT{west:+}}}
"
    )
}
const HOUR: f64 = 3600.0;
const DAY: i64 = 86_400;

/// The offsets of the processes' clocks, in seconds.
const TOGETHER: [i64; PROCESSES] = [0; PROCESSES];
const APART: [i64; PROCESSES] = [0, 7200, -30, DAY];
/// Offsets larger than the range of calendar days sent with a call.
const FAR_APART: [i64; PROCESSES] = [0, 40 * DAY, -400 * DAY, 3 * DAY];

fn start(redis: &Redis, shift: i64) -> Tollgate {
    let url = format!("redis://127.0.0.1:{}", redis.port);
    // on any machine every answer must arrive: a hit without an answer may or may not have been counted
    let mut builder = testkit::tollgate!().env("REDIS_URL", url).env("REDIS_TIMEOUT", "2m").rules(&rules());
    if shift != 0 {
        builder = builder.clock(&format!("{shift:+}s"));
    }
    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).expect("past 1970").as_secs() as i64;
    let before = seconds(SystemTime::now());
    let tollgate = builder.start();
    let line: serde_json::Value = serde_json::from_str(&tollgate.log()[0]).expect("JSON");
    let timestamp = line["@timestamp"].as_str().expect("a time");
    let (timestamp, after) =
        (seconds(humantime::parse_rfc3339(timestamp).expect("a time")), seconds(SystemTime::now()));
    let shifted = before + shift - 1..=after + shift + 1;
    assert!(shifted.contains(&timestamp), "the clock of the process is not shifted by {shift} s: {line}");
    tollgate
}

/// The time of the Redis, in seconds.
fn time(redis: &Redis) -> f64 {
    let text = redis.cli(&["TIME"]);
    let (seconds, micros) = text.split_once('\n').expect("two lines");
    seconds.parse::<f64>().expect("a number") + micros.parse::<f64>().expect("a number") / 1e6
}

/// The keys of the rules.
const ALL: [&str; 4] = ["fixed_window", "sliding_window", "token_bucket", "calendar"];

/// How many of all calls each process allowed.
async fn allowed(fleet: &[Tollgate], algorithm: &'static str) -> Vec<u64> {
    let streams = fleet.len() * CONNECTIONS * STREAMS;
    let start = Arc::new(Barrier::new(streams));
    let mut tasks = JoinSet::new();
    for (process, tollgate) in fleet.iter().enumerate() {
        for _ in 0..CONNECTIONS {
            let connection = client(tollgate.address("grpc"));
            for _ in 0..STREAMS {
                let (mut rls, start) = (connection.clone(), Arc::clone(&start));
                tasks.spawn(async move {
                    start.wait().await;
                    let mut passed = 0;
                    for _ in 0..CALLS {
                        let answer = ask(&mut rls, request("fleet", &[&[(algorithm, "v")]])).await;
                        passed += u64::from(answer.overall_code() == Code::Ok);
                    }
                    (process, passed)
                });
            }
        }
    }
    let mut allowed = vec![0; fleet.len()];
    while let Some(task) = tasks.join_next().await {
        let (process, passed) = task.expect("no panic");
        allowed[process] += passed;
    }
    allowed
}

async fn one_limit_for_all(name: &str, clocks: [i64; PROCESSES], keys: &[&'static str]) {
    let redis = Redis::start(&[]);
    let fleet: Vec<_> = clocks.iter().map(|shift| start(&redis, *shift)).collect();
    for tollgate in &fleet {
        tollgate.connected_to_redis().await;
    }
    for algorithm in keys.iter().copied() {
        let began = time(&redis);
        let each = allowed(&fleet, algorithm).await;
        let elapsed = time(&redis) - began;
        let sum: u64 = each.iter().sum();
        let calls = PROCESSES * CONNECTIONS * STREAMS * CALLS;
        println!(
            "figures: {PROCESSES} processes with {name} × {CONNECTIONS} connections, {algorithm}: {sum} of {calls} calls \
             allowed in {elapsed:.2} s, limit {LIMIT}, by process {each:?}"
        );
        assert!(each.iter().all(|passed| *passed > 0), "not all took part: {each:?}");
        let refilled = if algorithm == "token_bucket" { (elapsed * LIMIT as f64 / HOUR).floor() as u64 } else { 0 };
        assert!((LIMIT..=LIMIT + refilled).contains(&sum), "{algorithm}: {sum} were allowed, {refilled} refilled");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_processes_share_one_limit() {
    one_limit_for_all("one clock", TOGETHER, &ALL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn their_clocks_may_differ() {
    one_limit_for_all("clocks 2 h ahead, 30 s behind and a day ahead", APART, &ALL).await;
}

/// Each retries with the time that Redis has returned, and fails no call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn their_calendars_may_be_of_other_years() {
    one_limit_for_all("clocks 40 days ahead, 400 behind and 3 ahead", FAR_APART, &["calendar"]).await;
}
