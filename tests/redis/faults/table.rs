//! Prints the results, and marks values beyond their bounds.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use crate::faults::{
    drive::Run,
    load::{Mode, Outcome, Sample},
};

/// The default of `BREAKER_MAX_COOLDOWN`.
const COOLDOWN: Duration = Duration::from_secs(2);
/// How much later than its deadline an answer may arrive.
const LATE: Duration = Duration::from_millis(20);
/// How much the memory may grow, in KiB.
pub const GROWTH: u64 = 10 * 1024;
/// While the breaker is open, 99 of 100 answers must arrive within this time.
const AT_ONCE: Duration = Duration::from_millis(1);

const HEADS: [&str; 12] = [
    "fault",
    "status at Envoy's client",
    "at Envoy's client, ms",
    "Tollgate, closed, ms",
    "late",
    "Tollgate, open, ms",
    "trips after",
    "recovers after",
    "resident, MiB",
    "connections to Redis",
    "tasks, descriptors, threads",
    "exceeded",
];

const INTRODUCTION: &str = "\
# The fault matrix

The output of the last `bash tests/faults.sh`: a release build between a real Envoy (1000 requests per second directly
to Tollgate, and 200 through Envoy, which waits for 2 s and fails closed so that nothing is hidden) and a real Redis
with a fault of ten seconds, with `REDIS_TIMEOUT=100ms` and the breaker's defaults. Load, Envoy, Redis and Tollgate
share one machine, whose scheduling noise is in every figure. [failure.md](failure.md) explains the results.

- **status at Envoy's client**: each status and how often it came. `*`: by a failure mode instead of Redis. 500 is
  Envoy's status for a failed call.
- **ms**: half of the answers came within the first figure, 99 of 100 within the second, all within the third. *Closed*:
  requested while the breaker was closed, so up to the deadline; *open*: requested and answered while it was open.
- **late**: answers that came more than 20 ms after the deadline, of those requested while the breaker was closed.
- **recovers after**: from the moment when Redis could answer until the last request that it did not decide.
- Pairs `a → b` were measured before and after the fault, without requests in flight.
- **exceeded**: which bound was exceeded: *late* if any answer was; *open* if fewer than 99 of 100 came within 1 ms
  while the breaker was open; *memory* if it grew by 10 MiB; *recovery* if it took longer than the longest cooldown (2
  s) and a deadline.
";

/// The page: the tables and their explanation.
pub fn page(runs: &[Run]) -> String {
    INTRODUCTION.to_owned() + &tables(runs)
}

/// One table for each mode.
pub fn tables(runs: &[Run]) -> String {
    let mut page = String::new();
    for mode in Mode::ALL {
        let _ =
            writeln!(page, "\n## Failure mode `{mode}`\n\n| {} |\n|{}", HEADS.join(" | "), "---|".repeat(HEADS.len()));
        for run in runs.iter().filter(|run| run.modes.contains(&mode)) {
            let _ = writeln!(page, "| {} |", Cell::of(run, mode).columns(run).join(" | "));
        }
    }
    page
}

/// The results of one fault in one mode.
struct Cell {
    statuses: BTreeMap<&'static str, usize>,
    envoy: Spread,
    closed: Spread,
    open: Spread,
    /// Requests sent while the breaker was closed.
    late: usize,
    trips: Option<Duration>,
    recovers: Duration,
}

impl Cell {
    fn of(run: &Run, mode: Mode) -> Self {
        let during = |samples: &[Sample]| -> Vec<Sample> {
            let fault = |sample: &&Sample| sample.mode == mode && sample.sent >= run.began && sample.sent < run.ended;
            samples.iter().filter(fault).copied().collect()
        };
        let (envoy, direct) = (during(&run.envoy), during(&run.direct));
        let (open, closed): (Vec<_>, Vec<_>) =
            direct.into_iter().partition(|sample| run.turns.was_open(sample.sent, sample.done()));
        let mut statuses = BTreeMap::new();
        for sample in &envoy {
            *statuses.entry(status(sample)).or_default() += 1;
        }
        let late = closed.iter().filter(|sample| sample.took > run.deadline + LATE).count();
        let unwell = |sample: &&Sample| sample.mode == mode && sample.sent >= run.healed && !sample.is_of_redis();
        let last = run.direct.iter().filter(unwell).map(|sample| sample.sent).max();
        Self {
            statuses,
            envoy: Spread::of(&envoy),
            closed: Spread::of(&closed),
            open: Spread::of(&open),
            late,
            trips: run.turns.opened(run.began).filter(|at| *at < run.ended).map(|at| at - run.began),
            recovers: last.map_or(Duration::ZERO, |last| last - run.healed),
        }
    }

    fn beyond(&self, run: &Run) -> Vec<&'static str> {
        let grown = run.after.resident.saturating_sub(run.before.resident);
        let marks = [
            (self.late > 0, "late"),
            (self.open.count > 0 && self.open.p99 >= AT_ONCE, "open"),
            (grown >= GROWTH, "memory"),
            (self.recovers > COOLDOWN + run.deadline, "recovery"),
        ];
        marks.into_iter().filter_map(|(beyond, name)| beyond.then_some(name)).collect()
    }

    fn columns(&self, run: &Run) -> [String; HEADS.len()] {
        let (before, after) = (run.before, run.after);
        let statuses: Vec<_> = self.statuses.iter().map(|(status, times)| format!("{status} × {times}")).collect();
        let beyond = self.beyond(run);
        [
            run.row.name.to_owned(),
            statuses.join(", "),
            self.envoy.to_string(),
            self.closed.to_string(),
            format!("{} of {}", self.late, self.closed.count),
            self.open.to_string(),
            self.trips.map_or("–".to_owned(), milliseconds),
            milliseconds(self.recovers),
            format!("{:.1} → {:.1}", mebibytes(before.resident), mebibytes(after.resident)),
            format!("{} → {}", before.connections, after.connections),
            format!(
                "{}, {}, {} → {}, {}, {}",
                before.tasks, before.descriptors, before.threads, after.tasks, after.descriptors, after.threads
            ),
            if beyond.is_empty() { "nothing".to_owned() } else { format!("**{}**", beyond.join(", ")) },
        ]
    }
}

/// What Envoy's client sees; `*` if a failure mode decided.
fn status(sample: &Sample) -> &'static str {
    match (sample.outcome, sample.degraded) {
        (Outcome::Pass, false) => "200",
        (Outcome::Pass, true) => "200*",
        (Outcome::Over, false) => "429",
        (Outcome::Over, true) => "429*",
        (Outcome::Error, _) => "500",
        (Outcome::Hung, _) => "nothing",
    }
}

/// The median, the 99th percentile and the maximum of latencies.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spread {
    pub count: usize,
    pub p50: Duration,
    pub p99: Duration,
    pub max: Duration,
}

impl Spread {
    pub fn of(samples: &[Sample]) -> Self {
        let mut took: Vec<_> = samples.iter().map(|sample| sample.took).collect();
        took.sort_unstable();
        let Some(max) = took.last() else { return Self::default() };
        let at = |share: f64| took[((took.len() as f64 * share).ceil() as usize).max(1) - 1];
        Self { count: took.len(), p50: at(0.5), p99: at(0.99), max: *max }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.count == 0 {
            return f.write_str("–");
        }
        let ms = |time: Duration| {
            let ms = time.as_secs_f64() * 1e3;
            if ms < 10.0 { format!("{ms:.2}") } else { format!("{ms:.0}") }
        };
        write!(f, "{} · {} · {}", ms(self.p50), ms(self.p99), ms(self.max))
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

fn mebibytes(kibibytes: u64) -> f64 {
    kibibytes as f64 / 1024.0
}
