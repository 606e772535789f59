//! `bench targets`: the whole table of what this service promises of its speed, in one command. It starts all that it
//! needs: Tollgate over memory and over Redis, the bare server, and a Redis.

mod cases;
mod claim;
mod scene;

use std::{
    fs,
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use serde_json::{Value, json};

use super::{
    Reason,
    args::{cores, duration},
    plan::{Pace, Plan, Until},
    progress::interrupted,
    report,
};
use cases::Case;
use claim::{Row, table};
use scene::Scene;

/// `bench targets`
#[derive(Args, Clone, Debug, PartialEq)]
pub(super) struct TargetsArgs {
    /// Rounds, in each of which every contender has its turn
    #[arg(long, value_name = "N", default_value = "5")]
    pairs: NonZeroUsize,
    /// How long a turn takes
    #[arg(short, long, value_name = "TIME", default_value = "2s", value_parser = duration, conflicts_with = "requests")]
    duration: Duration,
    /// How many requests a turn has, instead of how long it takes
    #[arg(short = 'n', long, value_name = "N")]
    requests: Option<NonZeroU64>,
    /// What is sent in this time before each is not counted
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = duration)]
    warm_up: Duration,
    /// Connections
    #[arg(short, long, value_name = "N", default_value = "8")]
    connections: NonZeroUsize,
    /// Requests under way on each connection, at most
    #[arg(short = 'm', long, value_name = "N", default_value = "32")]
    streams: NonZeroUsize,
    /// Threads that make the load [default: one for each core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// A Redis that runs, such as redis://localhost:6379 [default: start `redis-server`]
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Report in JSON
    #[arg(long)]
    json: bool,
    /// Write the report in JSON to this file as well
    #[arg(long, value_name = "PATH")]
    save: Option<PathBuf>,
}

impl TargetsArgs {
    fn plan(&self) -> Plan {
        Plan {
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

/// Measures everything. Gives the report, and whether all targets hold.
pub(super) async fn run(args: &TargetsArgs) -> Result<(String, bool), Reason> {
    // told to end from here on, it takes the servers with it
    let mut stop = std::pin::pin!(interrupted()?);
    let ready = async {
        let scene = Scene::set(args.redis.as_deref()).await?;
        let rows = scene.at_rest().await;
        Ok::<_, Reason>((scene, rows))
    };
    let (scene, mut rows) = tokio::select! {
        ready = ready => ready?,
        () = stop.as_mut() => return Err(Reason::Interrupted),
    };
    let plan = args.plan();
    let mut contests = Vec::new();
    let mut text = String::new();
    let mut rates = cases::Rates::default();
    for case in Case::ALL {
        let contenders = case.contenders(&scene, plan, &rates)?;
        let series = super::contest::rounds(args.pairs, &contenders, &format!("{}: ", case.name())).await?;
        rates.note(case, &series);
        let base = case.base();
        text.push_str(&report::contest::as_text(case.name(), &series, base));
        text.push('\n');
        rows.extend(case.claims().iter().map(|claim| claim.judge(case, &series)));
        let mut json = report::contest::as_json(&series, base);
        json["name"] = case.name().into();
        json["load"] = report::plan_json(&contenders[0].plan);
        contests.push(json);
    }
    let holds = rows.iter().all(|row| row.holds() != Some(false));
    let json = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "cores": std::thread::available_parallelism().ok(),
        "redis": scene.redis_version,
        "pairs": args.pairs,
        "targets": rows.iter().map(Row::as_json).collect::<Vec<_>>(),
        "contests": contests,
    });
    let json = format!("{json:#}\n");
    if let Some(path) = &args.save {
        fs::write(path, &json).map_err(|error| Reason::Save { path: path.clone(), error })?;
    }
    Ok((if args.json { json } else { format!("{text}{}", table(&rows)) }, holds))
}

/// A value of JSON that may be missing.
fn value(number: Option<f64>) -> Value {
    number.into()
}
