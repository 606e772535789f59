//! `bench fleet`: what a fleet costs its Redis. In each turn a fresh Redis, a fleet of one build of the service, and
//! the same load; beside them, as many clients that send the commands of a service without a script.

mod contender;
mod report;
mod scenario;
mod turn;

use std::{fs, num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::Args;
use limiter::domain::Algorithm;
use load::{Keys, Line, cores, parse_duration};
use serde_json::json;

pub(crate) use self::scenario::{Rate, algorithm};
use self::{
    contender::{Contender, Service, duplicate},
    report::BEFORE,
    scenario::{MAX_DESCRIPTORS, Scenario},
    turn::Plan,
};
use crate::{
    error::Error,
    interrupt::until_interrupted,
    process::{self, REDIS_SERVER},
    redis::{Kind, Nodes},
    sample::Series,
};

const FLEETS: &str = "Fleets; lists are separated by commas, and every combination is measured";
const CONTENDERS: &str = "Contenders";
const MEASUREMENT: &str = "Measurement";
const REPORT: &str = "Report";

/// The name of the build under test.
const NOW: &str = "now";

/// `bench fleet`
#[derive(Args, Clone, Debug, PartialEq)]
#[command(after_help = HELP)]
pub(crate) struct FleetArgs {
    /// Processes of a fleet
    #[arg(long, value_name = "N,…", default_value = "4", value_delimiter = ',', help_heading = FLEETS)]
    processes: Vec<NonZeroUsize>,
    /// Decisions a second of each process, each due at a random instant of its interval; max: as many as it answers
    #[arg(long, value_name = "N,…", default_value = "500", value_delimiter = ',', help_heading = FLEETS)]
    rates: Vec<Rate>,
    /// Which keys are used: hot (one), uniform:N (one of N), or zipf:N:EXPONENT (the first ones more often)
    #[arg(long, value_name = "KEYS,…", default_value = "uniform:1000,hot", value_delimiter = ',')]
    #[arg(help_heading = FLEETS)]
    keys: Vec<Keys>,
    /// Algorithms of the limits. INCRBY + EXPIRE always counts fixed windows
    #[arg(long, value_name = "NAME,…", default_value = "fixed_window", value_delimiter = ',')]
    #[arg(value_parser = algorithm, help_heading = FLEETS)]
    algorithms: Vec<Algorithm>,
    /// Descriptors of a request, each with a limit of its own, at most 16
    #[arg(long, value_name = "N,…", default_value = "1", value_delimiter = ',', help_heading = FLEETS)]
    #[arg(value_parser = descriptors)]
    descriptors: Vec<NonZeroUsize>,
    /// The Redis of a fleet: single, or cluster (three primaries, no replicas)
    #[arg(long, value_name = "KIND,…", default_value = "single", value_delimiter = ',', help_heading = FLEETS)]
    redis: Vec<Kind>,
    /// Measure what a core of Redis carries, by algorithm and for 1, 2 and 4 descriptors: 8 processes with 500
    /// decisions a second each, and one at full load
    #[arg(long, conflicts_with_all = ["processes", "rates", "keys", "algorithms", "descriptors", "redis"])]
    #[arg(help_heading = FLEETS)]
    sizing: bool,

    /// The build to measure [default: the Tollgate in the same folder as this program]
    #[arg(long, value_name = "PATH", help_heading = CONTENDERS)]
    now: Option<PathBuf>,
    /// A build to compare it with
    #[arg(long, value_name = "PATH", help_heading = CONTENDERS)]
    before: Option<PathBuf>,
    /// A further build, or one with other settings, such as one=/usr/bin/tollgate,WORKERS=1; may be repeated
    #[arg(long, value_name = "NAME=PATH[,VARIABLE=VALUE…]", help_heading = CONTENDERS)]
    with: Vec<Service>,
    /// Leave out INCRBY and EXPIRE, as clients and as a bare service send them
    #[arg(long, help_heading = CONTENDERS)]
    no_reference: bool,
    /// The Redis or Valkey to start
    #[arg(long, value_name = "PATH", default_value = REDIS_SERVER, help_heading = CONTENDERS)]
    redis_server: PathBuf,

    /// Rounds; in each, every contender is measured once in every fleet
    #[arg(long, value_name = "N", default_value = "3", help_heading = MEASUREMENT)]
    rounds: NonZeroUsize,
    /// Duration of one measurement
    #[arg(short, long, value_name = "TIME", default_value = "3s", value_parser = parse_duration)]
    #[arg(help_heading = MEASUREMENT)]
    duration: Duration,
    /// Warm-up before each measurement, which is not counted
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration, help_heading = MEASUREMENT)]
    warm_up: Duration,
    /// Connections to each process, and of each client to each Redis [default: one per core]
    #[arg(short, long, value_name = "N", help_heading = MEASUREMENT)]
    connections: Option<NonZeroUsize>,
    /// Most requests in flight on each connection
    #[arg(short = 'm', long, value_name = "N", default_value = "32", help_heading = MEASUREMENT)]
    streams: NonZeroUsize,

    /// Print the report as JSON
    #[arg(long, help_heading = REPORT)]
    json: bool,
    /// Also write the report as JSON to this file
    #[arg(long, value_name = "PATH", help_heading = REPORT)]
    save: Option<PathBuf>,
}

const HELP: &str = "\
Examples:
  bench fleet --before /usr/bin/tollgate --processes 4,8 --keys uniform:1000,zipf:1000,hot --redis single,cluster
  bench fleet --sizing

Redis CPU is that of all nodes, from /proc, less what they use while the fleet is idle. Redis's own account is the \
time of all commands that clients sent (INFO commandstats), what scripts call included once.

The exit code is 0 if every request was answered, 1 if not, 2 if nothing could be measured. docs/performance.md says \
how to read the figures.";

fn descriptors(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse::<NonZeroUsize>().ok().filter(|number| number.get() <= MAX_DESCRIPTORS);
    number.ok_or_else(|| format!("write a number from 1 to {MAX_DESCRIPTORS}"))
}

/// Processes and rates of the fleets of `--sizing`: many with little to do, and one with much.
const SIZES: [(usize, &str); 2] = [(8, "500"), (1, "max")];

impl FleetArgs {
    fn scenarios(&self) -> Vec<Scenario> {
        let mut all = Vec::new();
        if self.sizing {
            for algorithm in Algorithm::ALL {
                for descriptors in [1, 2, 4] {
                    all.extend(SIZES.map(|(processes, rate)| Scenario {
                        processes: NonZeroUsize::new(processes).expect("not zero"),
                        rate: rate.parse().expect("a rate"),
                        keys: "uniform:1000".parse().expect("keys"),
                        algorithm,
                        descriptors: NonZeroUsize::new(descriptors).expect("not zero"),
                        redis: Kind::Single,
                    }));
                }
            }
            return all;
        }
        for &redis in &self.redis {
            for &algorithm in &self.algorithms {
                for &descriptors in &self.descriptors {
                    for &processes in &self.processes {
                        for &rate in &self.rates {
                            let of = |&keys| Scenario { processes, rate, keys, algorithm, descriptors, redis };
                            all.extend(self.keys.iter().map(of));
                        }
                    }
                }
            }
        }
        all
    }

    fn contenders(&self) -> Result<Vec<Contender>, Error> {
        let now = self.now.clone().map_or_else(process::built_tollgate, Ok)?;
        let mut services = vec![Service::new(NOW, now)];
        services.extend(self.before.clone().map(|program| Service::new(BEFORE, program)));
        services.extend(self.with.iter().cloned());
        let mut all: Vec<Contender> = services.into_iter().map(Contender::Service).collect();
        if !self.no_reference && !self.sizing {
            all.extend([Contender::Clients, Contender::BareService]);
        }
        match duplicate(&all) {
            Some(name) => Err(Error::DuplicateName(name.to_owned())),
            None => Ok(all),
        }
    }
}

/// Measures all fleets. Returns the report, and whether every request was answered.
///
/// # Errors
/// If something cannot be started or measured.
pub(crate) async fn run(args: &FleetArgs) -> Result<(String, bool), Error> {
    until_interrupted(measure(args)).await
}

async fn measure(args: &FleetArgs) -> Result<(String, bool), Error> {
    let (scenarios, contenders) = (args.scenarios(), args.contenders()?);
    let plan = Plan {
        redis_server: args.redis_server.clone(),
        duration: args.duration,
        warm_up: args.warm_up,
        connections: args.connections.unwrap_or_else(cores),
        streams: args.streams,
    };
    let version = Nodes::start(&plan.redis_server, Kind::Single).await?.version().await?;
    let series = || contenders.iter().map(|one| Series::new(one.name())).collect::<Vec<_>>();
    let mut results: Vec<_> = scenarios.iter().map(|scenario| (*scenario, series())).collect();
    let line = Line::default();
    for round in 1..=args.rounds.get() {
        for (scenario, all) in &mut results {
            for (contender, series) in contenders.iter().zip(all) {
                line.say(&format!("round {round} of {}: {scenario}, {}", args.rounds, contender.name()));
                let turn = plan.turn(contender, scenario, round as u64 * 1000).await;
                line.clear();
                series.samples.push(turn?);
            }
        }
    }
    let good = results.iter().all(|(_, series)| series.iter().all(|one| one.failed() == 0));
    let json = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "cores": std::thread::available_parallelism().ok(),
        "redis": version,
        "rounds": args.rounds,
        "seconds": args.duration.as_secs_f64(),
        "warm_up_seconds": args.warm_up.as_secs_f64(),
        "connections": plan.connections,
        "streams": plan.streams,
        "fleets": report::as_json(&results),
    });
    let json = format!("{json:#}\n");
    if let Some(path) = &args.save {
        fs::write(path, &json).map_err(|error| Error::Save { path: path.clone(), error })?;
    }
    if args.json {
        return Ok((json, good));
    }
    let mut text = report::table(&results);
    if args.sizing {
        for contender in &contenders {
            text.push_str(&format!(
                "\nSizing, {}:\n\n{}",
                contender.name(),
                report::sizing(&results, contender.name())
            ));
        }
    }
    Ok((text, good))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::{
        contender::{BARE_SERVICE, CLIENTS},
        *,
    };

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        fleet: FleetArgs,
    }

    fn args(words: &[&str]) -> Result<FleetArgs, clap::Error> {
        Cli::try_parse_from(std::iter::once(&"bench").chain(words)).map(|cli| cli.fleet)
    }

    #[test]
    fn every_combination_is_a_fleet() {
        let names = |words: &[&str]| {
            let scenarios = args(words).expect("arguments").scenarios();
            scenarios.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), ["4 × 500/s, uniform:1000, single", "4 × 500/s, hot, single"]);
        let many = names(&["--processes", "4,8", "--rates", "500,max", "--keys", "hot", "--redis", "cluster,single"]);
        assert_eq!(many.len(), 8);
        assert_eq!(many[1], "4 × full load, hot, cluster");
        assert_eq!(names(&["--sizing"]).len(), 18);
        assert!(args(&["--sizing", "--keys", "hot"]).is_err());
        for wrong in ["--descriptors=17", "--rates=0", "--redis=sentinel", "--algorithms=leaky", "--with=x"] {
            assert!(args(&[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn contenders_have_names_of_their_own() {
        let names = |words: &[&str]| {
            let all = args(words).expect("arguments").contenders();
            all.map(|all| all.iter().map(|one| one.name().to_owned()).collect::<Vec<_>>())
        };
        let all = names(&["--now", "/a", "--before", "/b", "--with", "one=/a,WORKERS=1"]).expect("contenders");
        assert_eq!(all, ["now", "before", "one", CLIENTS, BARE_SERVICE]);
        assert_eq!(names(&["--now", "/a", "--no-reference"]).expect("contenders"), ["now"]);
        assert!(
            matches!(names(&["--now", "/a", "--with", "now=/b"]), Err(Error::DuplicateName(name)) if name == "now")
        );
    }
}
