//! Runs one row: load before, during and after the fault, and records everything.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::faults::{
    load::{Load, Mode, Point, Sample},
    row::{Answers, Breaker, Row},
    stage::{Setting, Stage},
    vitals::{Monitor, Turns, Vitals},
};
use testkit::eventually;

/// How many consecutive answers are needed, at each point and for each mode, to know the outcome.
const ENOUGH: usize = 10;

/// The length of a run and its load.
#[derive(Clone, Debug)]
pub struct Form {
    /// `REDIS_TIMEOUT`. The delays of slow faults are proportional to it.
    pub deadline: Duration,
    /// Envoy's timeout for calls to Tollgate.
    pub patience: &'static str,
    pub before: Duration,
    /// The minimum duration of the fault.
    pub fault: Duration,
    pub after: Duration,
    /// Requests per second to Envoy.
    pub envoy_rate: u32,
    /// Requests per second to Tollgate.
    pub direct_rate: u32,
    /// How much the memory may grow, in KiB.
    pub growth: u64,
}

/// The results of one row.
pub struct Run {
    pub row: &'static Row,
    pub modes: Vec<Mode>,
    /// At Envoy's client.
    pub envoy: Vec<Sample>,
    /// At Tollgate's client.
    pub direct: Vec<Sample>,
    pub turns: Turns,
    /// The instants right before the fault began, after it was in effect, right before it ended, and when Redis could
    /// answer again.
    pub began: Instant,
    pub there: Instant,
    pub ended: Instant,
    pub healed: Instant,
    /// Measured without requests in flight.
    pub before: Vitals,
    pub after: Vitals,
    pub deadline: Duration,
    pub growth: u64,
}

impl Run {
    /// The interval in which the fault is in effect and has been noticed.
    pub fn settled(&self) -> (Instant, Instant) {
        let since = match self.row.breaker {
            Breaker::Opens => self.turns.opened(self.began).unwrap_or(self.there),
            Breaker::Stays | Breaker::Either => self.there,
        };
        (since, self.ended)
    }

    pub fn all(&self) -> impl Iterator<Item = &Sample> {
        self.envoy.iter().chain(&self.direct)
    }
}

/// Runs a row for these modes at the same time. Blocks at times, so it needs a thread of its own.
pub async fn drive(row: &'static Row, form: &Form, modes: &[Mode]) -> Run {
    let deadline = format!("{}ms", form.deadline.as_millis());
    let env = [("REDIS_TIMEOUT", deadline.as_str())];
    let setting = Setting { redis: row.redis, road: row.road, env: &env, timeout: form.patience, ..Setting::USUAL };
    let mut stage = Stage::set(&setting).await;
    let monitor = Monitor::new();
    let (envoy, direct) = (stage.envoy.address, stage.tollgate.address("grpc"));
    let loads = Loads {
        all: [
            Load::start(Point::Envoy(envoy), form.envoy_rate, modes),
            Load::start(Point::Tollgate(direct), form.direct_rate, modes),
        ],
        modes: modes.to_vec(),
    };

    let start = Instant::now();
    sleep(form.before).await;
    until(row, "answers of Redis", async || loads.last_are_of_redis(start)).await;
    loads.quiet(row).await;
    let before = monitor.vitals(&stage.tollgate).await;
    loads.go_on();

    loads.set_tight(true);
    let began = Instant::now();
    (row.begin)(&mut stage, form);
    let there = Instant::now();
    sleep(stage.until.map_or(form.fault, |until| until - there)).await;
    if stage.until.is_none() {
        until(row, "what is to come of it", async || {
            let turns = Turns::of(&stage.tollgate);
            let since = match row.breaker {
                Breaker::Opens => turns.opened(began)?,
                Breaker::Stays | Breaker::Either => there,
            };
            loads.answered_since(since).filter(|()| row.answers != Answers::Some || loads.some_are_of_redis(there))
        })
        .await;
    }
    let ended = stage.until.unwrap_or_else(Instant::now);
    loads.set_tight(false);
    (row.end)(&mut stage);
    let healed = if row.answers == Answers::Soon { there } else { Instant::now() };

    until(row, "answers of Redis again", async || {
        loads.last_are_of_redis(ended).filter(|()| !Turns::of(&stage.tollgate).is_open())
    })
    .await;
    sleep(form.after).await;
    loads.quiet(row).await;
    let after = until(row, "its connections again", async || {
        let after = monitor.vitals(&stage.tollgate).await;
        (after.connections == before.connections && after.pending == 0).then_some(after)
    })
    .await;
    let turns = Turns::of(&stage.tollgate);
    if std::env::var_os("FAULTS_LOG").is_some() {
        println!("{:#?}", stage.tollgate.log());
    }
    let [envoy, direct] = loads.all.map(Load::stop);
    let modes = modes.to_vec();
    Run {
        row,
        modes,
        envoy,
        direct,
        turns,
        began,
        there,
        ended,
        healed,
        before,
        after,
        deadline: form.deadline,
        growth: form.growth,
    }
}

/// The loads at both points.
struct Loads {
    all: [Load; 2],
    modes: Vec<Mode>,
}

impl Loads {
    fn set_tight(&self, tight: bool) {
        self.all.iter().for_each(|load| load.set_tight(tight));
    }

    /// Pauses the loads until no request is in flight.
    async fn quiet(&self, row: &Row) {
        self.all.iter().for_each(|load| load.pause(true));
        until(row, "no request under way", async || self.all.iter().all(Load::is_quiet).then_some(())).await;
    }

    fn go_on(&self) {
        self.all.iter().for_each(|load| load.pause(false));
    }

    /// Whether there were enough answers at each point and for each mode since then.
    fn answered_since(&self, since: Instant) -> Option<()> {
        self.each(|samples| samples.iter().filter(|sample| sample.sent >= since).count() >= ENOUGH)
    }

    /// Whether the latest answers to requests sent since then are by Redis, at each point and for each mode.
    fn last_are_of_redis(&self, since: Instant) -> Option<()> {
        self.each(|samples| {
            let last: Vec<_> = samples.iter().rev().take(ENOUGH).collect();
            last.len() == ENOUGH && last.iter().all(|sample| sample.sent >= since && sample.is_of_redis())
        })
    }

    /// Whether Redis has answered any request since then.
    fn some_are_of_redis(&self, since: Instant) -> bool {
        self.all.iter().flat_map(Load::samples).any(|sample| sample.sent >= since && sample.is_of_redis())
    }

    fn each(&self, holds: impl Fn(&[Sample]) -> bool) -> Option<()> {
        let of_point = |load: &Load| {
            let samples = load.samples();
            self.modes.iter().all(|mode| {
                let own: Vec<_> = samples.iter().filter(|sample| sample.mode == *mode).copied().collect();
                holds(&own)
            })
        };
        self.all.iter().all(of_point).then_some(())
    }
}

/// Waits until `check` returns a value. Otherwise fails and names the row.
async fn until<T>(row: &Row, what: &str, check: impl AsyncFnMut() -> Option<T>) -> T {
    eventually(&format!("{what} ({})", row.name), check).await
}
