//! A Redis that hangs for long under full load: memory stays constant, and the log reports each change once.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::time::sleep;

use crate::faults::{
    load::{Load, Mode, Outcome, Point, Sample},
    stage::{Setting, Stage},
    table::GROWTH,
    vitals::{Monitor, Turns, Vitals},
};
use testkit::eventually;

/// The parameters of the soak, from the environment; by default it is short.
pub fn wanted(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_for_long() {
    let length = Duration::from_secs(wanted("SOAK_SECONDS", 10));
    let rate = wanted("SOAK_RATE", 500) as u32;
    let stage = Stage::set(&Setting::USUAL).await;
    let monitor = Monitor::new();
    let load = Load::start(Point::Tollgate(stage.tollgate.address("grpc")), rate, &Mode::ALL);
    eventually("answers of Redis", async || (load.samples().len() >= rate as usize).then_some(())).await;
    let lines_before = stage.tollgate.log().len();

    stage.redis.signal("STOP");
    let began = Instant::now();
    load.take();
    let mut seen = Seen::default();
    let start = monitor.vitals(&stage.tollgate).await;
    let mut middle = None;
    while began.elapsed() < length {
        sleep(Duration::from_millis(500).min(length / 4)).await;
        seen.add(&load.take());
        if middle.is_none() && began.elapsed() >= length / 2 {
            middle = Some(monitor.vitals(&stage.tollgate).await);
        }
    }
    let end = monitor.vitals(&stage.tollgate).await;
    let elapsed = began.elapsed();
    let counts = messages(&stage.tollgate.log()[lines_before..]);
    stage.redis.signal("CONT");
    eventually("answers of Redis again", async || {
        let samples = load.samples();
        (samples.len() > 20 && samples.iter().rev().take(20).all(Sample::is_of_redis)).then_some(())
    })
    .await;
    assert!(!Turns::of(&stage.tollgate).is_open());
    drop(load.stop());

    let middle = middle.expect("half of the time has passed");
    println!(
        "figures: Redis stopped for {:.0} s, {} decisions, {:.0} a second",
        elapsed.as_secs_f64(),
        seen.decisions,
        seen.decisions as f64 / elapsed.as_secs_f64()
    );
    for (when, vitals) in [("start", start), ("middle", middle), ("end", end)] {
        println!("  {when}: {}", text(&vitals));
    }
    println!("  slowest answer: {} ms; lines of the log:", seen.slowest.as_millis());
    for (line, times) in &counts {
        println!("    {times} × {line}");
    }
    assert_eq!(seen.hung, 0, "nobody answers");
    assert!(end.own <= start.own + GROWTH, "it grows: {start:?}, {middle:?}, {end:?}");
    assert!(counts.values().all(|times| *times == 1), "a change of state is logged once: {counts:?}");
}

/// The answers so far.
#[derive(Default)]
struct Seen {
    decisions: usize,
    hung: usize,
    slowest: Duration,
}

impl Seen {
    fn add(&mut self, samples: &[Sample]) {
        self.decisions += samples.len();
        self.hung += samples.iter().filter(|sample| sample.outcome == Outcome::Hung).count();
        self.slowest = samples.iter().map(|sample| sample.took).chain([self.slowest]).max().unwrap_or_default();
    }
}

/// The number of log lines for each message.
fn messages(lines: &[String]) -> BTreeMap<String, usize> {
    let mut messages = BTreeMap::new();
    for line in lines {
        let line: Value = serde_json::from_str(line).expect("JSON");
        *messages.entry(line["@message"].as_str().expect("a text").to_owned()).or_default() += 1;
    }
    messages
}

fn text(vitals: &Vitals) -> String {
    format!(
        "{:.1} MiB resident, {} tasks, {} descriptors, {} threads, {} connections to Redis, {} requests waiting",
        vitals.resident as f64 / 1024.0,
        vitals.tasks,
        vitals.descriptors,
        vitals.threads,
        vitals.connections,
        vitals.pending
    )
}
