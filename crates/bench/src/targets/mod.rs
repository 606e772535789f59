//! `bench targets`: the whole table of promised performance. It starts everything it needs: Tollgate with memory and
//! with Redis, the bare server, and a Redis.

mod cases;
mod claim;
mod row;
mod servers;

use std::{
    fs,
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use load::{Config, Pace, Until, cores, interrupted, parse_duration, report::config_json};
use serde_json::json;

use crate::{
    contest::{self, report},
    error::Error,
    process,
};
use cases::{Case, Rates};
use row::{Row, table};
use servers::Servers;

/// `bench targets`
#[derive(Args, Clone, Debug, PartialEq)]
pub(crate) struct TargetsArgs {
    /// Rounds; in each, every contender is measured once
    #[arg(long, value_name = "N", default_value = "5")]
    pairs: NonZeroUsize,
    /// Duration of one measurement
    #[arg(short, long, value_name = "TIME", default_value = "2s", value_parser = parse_duration)]
    #[arg(conflicts_with = "requests")]
    duration: Duration,
    /// Number of requests per measurement, instead of a duration
    #[arg(short = 'n', long, value_name = "N")]
    requests: Option<NonZeroU64>,
    /// Warm-up before each measurement, which is not counted
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = parse_duration)]
    warm_up: Duration,
    /// Connections
    #[arg(short, long, value_name = "N", default_value = "8")]
    connections: NonZeroUsize,
    /// Most requests in flight on each connection
    #[arg(short = 'm', long, value_name = "N", default_value = "32")]
    streams: NonZeroUsize,
    /// Threads of the load generator [default: one per core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// The Tollgate to measure [default: the one in the same folder as this program]
    #[arg(long, value_name = "PATH")]
    tollgate: Option<PathBuf>,
    /// A running Redis, such as redis://localhost:6379 [default: start `redis-server`]
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Also write the report as JSON to this file
    #[arg(long, value_name = "PATH")]
    save: Option<PathBuf>,
}

impl TargetsArgs {
    fn config(&self) -> Config {
        Config {
            connections: self.connections,
            streams: self.streams,
            threads: self.threads.unwrap_or_else(cores).min(self.connections),
            pace: Pace::Answers,
            until: self.requests.map_or(Until::Elapsed(self.duration), Until::Sent),
            warm_up: self.warm_up,
            timeout: Duration::from_secs(10),
            seed: 1,
        }
    }
}

/// Measures everything. Returns the report, and whether all targets are met.
///
/// # Errors
/// If something cannot be started or measured.
pub(crate) async fn run(args: &TargetsArgs) -> Result<(String, bool), Error> {
    // from here on a signal ends the servers too
    let mut stop = std::pin::pin!(interrupted()?);
    let ready = async {
        let program = args.tollgate.clone().map_or_else(process::built_tollgate, Ok)?;
        let servers = Servers::start(&program, args.redis.as_deref()).await?;
        let rows = servers.idle().await;
        Ok::<_, Error>((servers, rows))
    };
    let (servers, mut rows) = tokio::select! {
        ready = ready => ready?,
        () = stop.as_mut() => return Err(Error::Interrupted),
    };
    let config = args.config();
    let mut contests = Vec::new();
    let mut text = String::new();
    let mut rates = Rates::default();
    for case in Case::ALL {
        let contenders = case.contenders(&servers, config, &rates)?;
        let series = contest::rounds(args.pairs, &contenders, &format!("{}: ", case.name())).await?;
        rates.note(case, &series);
        let base = case.base();
        text.push_str(&report::as_text(case.name(), &series, base));
        text.push('\n');
        rows.extend(case.claims().iter().map(|claim| claim.judge(case.name(), &series)));
        let mut json = report::as_json(&series, base);
        json["name"] = case.name().into();
        json["load"] = config_json(&contenders[0].scenario.config);
        contests.push(json);
    }
    let holds = rows.iter().all(|row| row.holds() != Some(false));
    let json = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "cores": std::thread::available_parallelism().ok(),
        "redis": servers.redis_version,
        "pairs": args.pairs,
        "targets": rows.iter().map(Row::as_json).collect::<Vec<_>>(),
        "contests": contests,
    });
    let json = format!("{json:#}\n");
    if let Some(path) = &args.save {
        fs::write(path, &json).map_err(|error| Error::Save { path: path.clone(), error })?;
    }
    Ok((if args.json { json } else { format!("{text}{}", table(&rows)) }, holds))
}
