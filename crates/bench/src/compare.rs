//! `bench compare`: a service and its ceilings under the same load: tonic alone, and with `--redis` the Redis in use,
//! called directly.

use std::num::NonZeroUsize;

use clap::Args;
use load::{Scenario, Target, report::config_json};
use tollgate::cli::LoadArgs;

use crate::{
    contest::{self, Contender, Kind, report},
    error::Error,
    process,
    redis::{FULL, Protocol, Redis},
};

const COMPARED: &str = "Compared";

/// The index of the contender to which the ratios refer: bare tonic.
const BASE: usize = 1;

/// `bench compare ADDR DOMAIN k=v,k=v…`
#[derive(Args, Clone, Debug, PartialEq)]
#[command(after_help = HELP)]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    load: LoadArgs,
    /// The Redis in use, such as redis://localhost:6379, to measure its script rate and its CPU time. Keys written to
    /// it expire within a minute
    #[arg(long, value_name = "URL", help_heading = COMPARED)]
    redis: Option<String>,
    /// Rounds of the comparison
    #[arg(long, value_name = "N", default_value = "5", help_heading = COMPARED)]
    pairs: NonZeroUsize,
}

const HELP: &str = "\
Example:
  bench compare localhost:8081 demo 'x-user=u{}' --keys zipf:10000 --redis redis://localhost:6379

Hits are charged as if they were real. The exit code is 0 if every request was answered, 1 if not, 2 if nothing could be
measured. docs/performance.md says how to read the figures.";

/// Measures the service and its ceilings in alternation. Returns the report, and whether every request was answered.
///
/// # Errors
/// If a contender cannot be measured.
pub(crate) async fn run(args: &CompareArgs) -> Result<(String, bool), Error> {
    let scenario = args.load.scenario()?;
    let (config, keys) = (scenario.config, scenario.requests.keys());
    let bare = process::bare()?;
    let redis = args.redis.as_deref().map(Redis::new).transpose()?;
    let server = |name: String, target: Target, pid, redis: Option<Redis>| Contender {
        name,
        kind: Kind::Server { scenario: Box::new(Scenario { target, ..scenario.clone() }), pid, redis },
    };
    let mut contenders = vec![
        server(scenario.target.to_string(), scenario.target.clone(), args.load.pid(), redis.clone()),
        server("bare tonic".to_owned(), bare.address.into(), Some(bare.pid()), None),
    ];
    if let Some(redis) = redis {
        for protocol in [Protocol::Script(FULL), Protocol::Script(NonZeroUsize::MIN), Protocol::Commands] {
            let kind = Kind::Redis { redis: redis.clone(), protocol, keys, config };
            contenders.push(Contender { name: format!("Redis: {}", protocol.name()), kind });
        }
    }
    let series = contest::rounds(args.pairs, &contenders, "").await?;
    let text = if args.load.json() {
        let mut json = report::as_json(&series, BASE);
        json["load"] = config_json(&config);
        json["pairs"] = args.pairs.get().into();
        format!("{json:#}\n")
    } else {
        let title = format!("medians of {} rounds; CPU is for each answer or decision", args.pairs);
        report::as_text(&title, &series, BASE)
    };
    Ok((text, series.iter().all(|one| one.failed() == 0)))
}
