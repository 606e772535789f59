//! `bench calls`: what calls of different shapes cost a Redis, without a service: our script by algorithm, and plain
//! commands beside it.

mod report;
mod script;
mod shape;

use std::{collections::BTreeSet, fs, num::NonZeroUsize, path::PathBuf, str::FromStr, time::Duration};

use clap::Args;
use limiter::domain::Algorithm;
use load::{Keys, Line, Pace, Tally, parse_duration};
use serde_json::json;

use self::{report::Case, script::ScriptCalls, shape::Shape};
use crate::{
    error::Error,
    fleet::{Rate, algorithm},
    interrupt::until_interrupted,
    observer::{Observer, Usage},
    process::REDIS_SERVER,
    redis::{Commands, Drive, Kind, Nodes, Reference},
    sample::{Sample, Series},
};

const CALLS: &str = "Calls; lists are separated by commas, and every combination is measured";
const CONTENDERS: &str = "Contenders";
const MEASUREMENT: &str = "Measurement";
const REPORT: &str = "Report";

/// The name of the plain commands to which others are compared.
const REFERENCE: &str = "INCRBY + EXPIRE";
/// The time in which the cost of an idle Redis is measured.
const IDLE: Duration = Duration::from_secs(1);

/// `bench calls`
#[derive(Args, Clone, Debug, PartialEq)]
#[command(after_help = HELP)]
pub(crate) struct CallsArgs {
    /// What a call carries: a number of decisions, or DECISIONSxCOUNTERS for groups with several counters
    #[arg(long, value_name = "N[xM],…", default_value = "1,2,8,64,1x2,1x4,1x8", value_delimiter = ',')]
    #[arg(help_heading = CALLS)]
    shapes: Vec<Shape>,
    /// Calls a second, each due at a random instant of its interval; max: each connection sends one after the other
    #[arg(long, value_name = "N,…", default_value = "1000,max", value_delimiter = ',', help_heading = CALLS)]
    rates: Vec<Rate>,
    /// Algorithms of the limits
    #[arg(long, value_name = "NAME,…", default_value = "fixed_window,sliding_window,token_bucket")]
    #[arg(value_delimiter = ',', value_parser = algorithm, help_heading = CALLS)]
    algorithms: Vec<Algorithm>,
    /// Which keys are used: hot (one), uniform:N (one of N), or zipf:N:EXPONENT (the first ones more often)
    #[arg(long, value_name = "KEYS", default_value = "uniform:1000", help_heading = CALLS)]
    keys: Keys,
    /// The Redis: single, or cluster (three primaries, no replicas)
    #[arg(long, value_name = "KIND,…", default_value = "single", value_delimiter = ',', help_heading = CALLS)]
    redis: Vec<Kind>,

    /// Another text of the script to compare with, which takes the same arguments, such as that of an earlier build;
    /// may be repeated
    #[arg(long, value_name = "NAME=FILE", help_heading = CONTENDERS)]
    script: Vec<ScriptFile>,
    /// The Redis or Valkey to start
    #[arg(long, value_name = "PATH", default_value = REDIS_SERVER, help_heading = CONTENDERS)]
    redis_server: PathBuf,

    /// Rounds; in each, every contender is measured once with every call
    #[arg(long, value_name = "N", default_value = "3", help_heading = MEASUREMENT)]
    rounds: NonZeroUsize,
    /// Duration of one measurement
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    #[arg(help_heading = MEASUREMENT)]
    duration: Duration,
    /// Warm-up before each measurement, which is not counted
    #[arg(long, value_name = "TIME", default_value = "300ms", value_parser = parse_duration)]
    #[arg(help_heading = MEASUREMENT)]
    warm_up: Duration,
    /// Connections to each node
    #[arg(short, long, value_name = "N", default_value = "8", help_heading = MEASUREMENT)]
    connections: NonZeroUsize,

    /// Print the report as JSON
    #[arg(long, help_heading = REPORT)]
    json: bool,
    /// Also write the report as JSON to this file
    #[arg(long, value_name = "PATH", help_heading = REPORT)]
    save: Option<PathBuf>,
}

const HELP: &str = "\
Examples:
  bench calls --shapes 1,64 --algorithms fixed_window
  bench calls --script before=old.lua --redis single,cluster

Redis's own account of a call is the time of the commands that a client sent (INFO commandstats), what scripts call \
included once. Redis CPU is that of all nodes, from /proc, less what they use when idle.

The exit code is 0 if every call was answered, 1 if not, 2 if nothing could be measured. docs/performance.md says \
how to read the figures.";

/// A text of the script. Written `NAME=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ScriptFile {
    name: String,
    path: PathBuf,
}

impl FromStr for ScriptFile {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => {
                Ok(Self { name: name.to_owned(), path: path.into() })
            }
            _ => Err("write NAME=FILE"),
        }
    }
}

/// What makes the decisions of a call.
#[derive(Clone, Debug)]
struct Contender {
    name: String,
    by: By,
}

#[derive(Clone, Debug)]
enum By {
    /// The script of this number.
    Script(usize, Algorithm),
    Commands(Commands),
}

/// The texts of the script, the present one first, and the contenders.
fn contenders(args: &CallsArgs) -> Result<(Vec<String>, Vec<Contender>), Error> {
    let mut texts = vec![redis::script::TEXT.to_owned()];
    for ScriptFile { path, .. } in &args.script {
        texts.push(fs::read_to_string(path).map_err(|error| Error::Script { path: path.clone(), error })?);
    }
    let mut all = Vec::new();
    for algorithm in &args.algorithms {
        let name = format!("script, {}", algorithm.name().replace('_', " "));
        all.push(Contender { name: name.clone(), by: By::Script(0, *algorithm) });
        let others = args.script.iter().enumerate();
        all.extend(others.map(|(nth, script)| Contender {
            name: format!("{name}, {}", script.name),
            by: By::Script(nth + 1, *algorithm),
        }));
    }
    for (name, commands) in [("SET NX PX + INCRBY", Commands::SetIncrby), (REFERENCE, Commands::IncrbyExpire)] {
        all.push(Contender { name: name.to_owned(), by: By::Commands(commands) });
    }
    let mut names = BTreeSet::new();
    match all.iter().find(|one| !names.insert(one.name.clone())) {
        Some(twice) => Err(Error::DuplicateName(twice.name.clone())),
        None => Ok((texts, all)),
    }
}

/// A running Redis with all scripts, and what it uses when idle.
struct Server {
    nodes: Nodes,
    observer: Observer,
    idle: Usage,
    sha1s: Vec<String>,
}

impl Server {
    async fn start(args: &CallsArgs, kind: Kind, texts: &[String]) -> Result<Self, Error> {
        let nodes = Nodes::start(&args.redis_server, kind).await?;
        let mut observer = Observer::new(&nodes, Vec::new()).await?;
        let idle = observer.idle(IDLE).await?;
        let mut sha1s = Vec::new();
        for text in texts {
            sha1s.push(nodes.load_script(text).await?);
        }
        Ok(Self { nodes, observer, idle, sha1s })
    }

    async fn turn(&mut self, args: &CallsArgs, contender: &Contender, case: &Case, seed: u64) -> Result<Sample, Error> {
        self.nodes.flush().await?;
        let drive = Drive {
            clients: 1,
            connections: args.connections.get(),
            pace: match case.rate {
                Rate::Fixed(rate) => Pace::Scattered(rate),
                Rate::Max => Pace::Answers,
            },
            warm_up: args.warm_up,
            duration: args.duration,
            seed,
        };
        let (addresses, keys) = (self.nodes.addresses(), args.keys);
        let Case { shape, redis, .. } = *case;
        let decisions = shape.decisions.get();
        let seed = move |nth: usize| seed.wrapping_add(nth as u64);
        let tally: Tally = match contender.by {
            By::Script(number, algorithm) => {
                let sha1 = self.sha1s[number].clone();
                let source = move |nth| ScriptCalls::new(&sha1, shape, redis, algorithm, keys, seed(nth));
                drive.run(&addresses, &mut self.observer, source).await?
            }
            By::Commands(commands) => {
                let counters = shape.counters.get();
                let source = move |nth| Reference::new(keys, seed(nth), decisions, counters, commands);
                drive.run(&addresses, &mut self.observer, source).await?
            }
        };
        let sample = self.observer.usage()?.sample(&tally, tally.arrived * decisions as u64, &self.idle);
        // the commands of all decisions are one call
        let call = sample.redis_account.map(|account| account * decisions as f64);
        Ok(Sample { redis_call: call, batch: Some(decisions as f64), ..sample })
    }
}

/// Measures all calls. Returns the report, and whether every call was answered.
///
/// # Errors
/// If something cannot be started or measured.
pub(crate) async fn run(args: &CallsArgs) -> Result<(String, bool), Error> {
    until_interrupted(measure(args)).await
}

async fn measure(args: &CallsArgs) -> Result<(String, bool), Error> {
    let (texts, contenders) = contenders(args)?;
    let line = Line::default();
    let mut cases = Vec::new();
    let mut version = String::new();
    for &redis in &args.redis {
        let mut server = Server::start(args, redis, &texts).await?;
        version = server.nodes.version().await?;
        let series: Vec<Series> = contenders.iter().map(|one| Series::new(&*one.name)).collect();
        let of = |shape: Shape, rate: Rate| Case { redis, shape, rate, series: series.clone() };
        let mut of_redis: Vec<Case> =
            args.shapes.iter().flat_map(|shape| args.rates.iter().map(|rate| of(*shape, *rate))).collect();
        for round in 1..=args.rounds.get() {
            for case in &mut of_redis {
                for (nth, contender) in contenders.iter().enumerate() {
                    let Case { shape, rate, .. } = case;
                    let title = format!("{redis}, round {round} of {}: {shape} a call, {rate}", args.rounds);
                    line.say(&format!("{title}, {}", contender.name));
                    let turn = server.turn(args, contender, case, round as u64 * 1000).await;
                    line.clear();
                    case.series[nth].samples.push(turn?);
                }
            }
        }
        cases.extend(of_redis);
    }
    let good = cases.iter().all(|case| case.series.iter().all(|one| one.failed() == 0));
    let json = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "cores": std::thread::available_parallelism().ok(),
        "redis": version,
        "rounds": args.rounds,
        "seconds": args.duration.as_secs_f64(),
        "connections": args.connections,
        "keys": args.keys.to_string(),
        "calls": report::as_json(&cases),
    });
    let json = format!("{json:#}\n");
    if let Some(path) = &args.save {
        fs::write(path, &json).map_err(|error| Error::Save { path: path.clone(), error })?;
    }
    Ok((if args.json { json } else { report::tables(&cases, &args.rates) }, good))
}
