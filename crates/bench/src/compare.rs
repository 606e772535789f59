//! `bench compare`: a service and its ceiling, tonic alone, under the same load.

use std::num::NonZeroUsize;

use clap::Args;
use load::{Scenario, Target, report::config_json};
use tollgate::cli::LoadArgs;

use crate::{
    contest::{self, Contender, report},
    error::Error,
    process,
    redis::Redis,
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
    /// The Redis in use, such as redis://localhost:6379, to report its CPU time for each answer
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

/// Measures the service and its ceiling in alternation. Returns the report, and whether every request was answered.
///
/// # Errors
/// If a contender cannot be measured.
pub(crate) async fn run(args: &CompareArgs) -> Result<(String, bool), Error> {
    let scenario = args.load.scenario()?;
    let bare = process::bare(&[])?;
    let redis = args.redis.as_deref().map(Redis::new).transpose()?;
    let server = |name: String, target: Target, pid, redis: Option<Redis>| Contender {
        name,
        scenario: Box::new(Scenario { target, ..scenario.clone() }),
        pid,
        redis,
    };
    let contenders = [
        server(scenario.target.to_string(), scenario.target.clone(), args.load.pid(), redis),
        server("bare tonic".to_owned(), bare.address.into(), Some(bare.pid()), None),
    ];
    let series = contest::rounds(args.pairs, &contenders, "").await?;
    let text = if args.load.json() {
        let mut json = report::as_json(&series, BASE);
        json["load"] = config_json(&scenario.config);
        json["pairs"] = args.pairs.get().into();
        format!("{json:#}\n")
    } else {
        let title = format!("medians of {} rounds; CPU is for each answer or decision", args.pairs);
        report::as_text(&title, &series, BASE)
    };
    Ok((text, series.iter().all(|one| one.failed() == 0)))
}
