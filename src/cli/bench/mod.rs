//! `bench`: makes load for a rate limit service, ours or another's, and reports what it saw.
//!
//! ```text
//!  args ─▶ plan, request (what is asked, as bytes) ─▶ load (threads, connections, schedule) ─▶ report
//!  ceiling (bare tonic, Redis by itself), targets ─▶ contest (turns) ─▶ compare (medians, ratios) ─▶ report
//! ```

mod args;
mod ceiling;
mod compare;
mod contest;
mod cost;
mod load;
mod plan;
mod progress;
mod report;
mod request;
mod target;
mod targets;

use std::{io, num::NonZeroUsize, sync::Arc};

pub use args::BenchArgs;

use self::ceiling::redis::{FULL, Redis, RedisError, Way};
use self::{
    args::{BenchCommand, LoadArgs},
    ceiling::{
        bare::{self, BareError},
        child::{self, ChildError},
    },
    contest::{Contender, Kind},
    cost::Meters,
    load::{LoadError, Shared},
    progress::Line,
    report::Subject,
    request::{Requests, RequestsError},
};

/// Why there is nothing to report.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct BenchError(#[from] Reason);

/// The reason, which only this module tells apart.
#[derive(Debug, thiserror::Error)]
enum Reason {
    /// What is to be asked.
    #[error(transparent)]
    Requests(#[from] RequestsError),
    /// Load cannot be made.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The bare server.
    #[error(transparent)]
    Bare(#[from] BareError),
    /// A server that was to be started.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// The Redis that was to be measured.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// The rules of the targets.
    #[error("cannot write rules into the directory of temporary files: {0}")]
    Rules(io::Error),
    /// The report in JSON.
    #[error("cannot write {}: {error}", path.display())]
    Save {
        /// Where to.
        path: std::path::PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A signal, in the middle of a comparison.
    #[error("interrupted: nothing to compare yet")]
    Interrupted,
    /// There is no runtime, or no signals.
    #[error("cannot start a runtime: {0}")]
    Runtime(#[from] io::Error),
}

/// Does what was asked for. Gives the report, and whether all is well.
///
/// # Errors
/// If nothing could be measured.
pub(super) fn bench(args: &BenchArgs) -> Result<(String, bool), BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Reason::from)?;
    let done = runtime.block_on(async {
        match (&args.command, &args.load) {
            (Some(BenchCommand::Bare(args)), _) => {
                bare::serve(args).await?;
                Ok((String::new(), true))
            }
            (Some(BenchCommand::Targets(args)), _) => targets::run(args).await,
            (None, Some(load)) if load.ceilings => with_ceilings(load).await,
            (None, Some(load)) => one_run(load).await,
            (None, None) => unreachable!("clap wants an address where there is no command"),
        }
    });
    // threads that still work for nobody, after a failure, end with the process
    runtime.shutdown_background();
    Ok(done?)
}

fn requests(args: &LoadArgs) -> Result<Requests, RequestsError> {
    let (descriptors, count) = (&args.descriptors, args.descriptor_count());
    Requests::new(&args.domain, descriptors, count, args.keys, args.denied())
}

/// One run against one server.
async fn one_run(args: &LoadArgs) -> Result<(String, bool), Reason> {
    let shared = Arc::new(Shared::new(args.plan(), requests(args)?, args.target.authority()));
    let mut meters = Meters::of(args.pid);
    let mut line = Line::new();
    line.begin("", load::length(&shared));
    let stop = progress::interrupted()?;
    let measured = load::run(&args.target, &shared, &mut meters, |progress| line.show(progress), stop).await;
    line.clear();
    let measured = measured?;
    let subject = Subject { target: &args.target, domain: &args.domain, keys: args.keys, shared: &shared };
    let report = if args.json {
        format!("{:#}\n", report::as_json(subject, &measured))
    } else {
        report::as_text(subject, &measured)
    };
    Ok((report, measured.tally.errors() == 0 && measured.tally.answered() > 0))
}

/// The server and its ceilings, in turns.
async fn with_ceilings(args: &LoadArgs) -> Result<(String, bool), Reason> {
    const BASE: usize = 1;
    let (plan, requests, bare) = (args.plan(), requests(args)?, child::bare()?);
    let redis = args.redis.as_deref().map(Redis::new).transpose()?;
    let server = |name: String, target, pid, behind: bool| Contender {
        name,
        plan,
        kind: Kind::Server { target, requests: requests.clone(), pid, redis: redis.clone().filter(|_| behind) },
    };
    let mut contenders = vec![
        server(args.target.to_string(), args.target.clone(), args.pid, true),
        server("bare tonic".to_owned(), bare.address.into(), Some(bare.pid()), false),
    ];
    if let Some(redis) = redis {
        for way in [Way::Script(FULL), Way::Script(NonZeroUsize::MIN), Way::Commands] {
            let kind = Kind::Redis { redis: redis.clone(), way, keys: args.keys };
            contenders.push(Contender { name: format!("Redis: {}", way.name()), plan, kind });
        }
    }
    let series = contest::rounds(args.pairs, &contenders, "").await?;
    let report = if args.json {
        let mut json = report::contest::as_json(&series, BASE);
        json["load"] = report::plan_json(&plan);
        json["pairs"] = args.pairs.get().into();
        format!("{json:#}\n")
    } else {
        let title = format!("medians of {} rounds; CPU is for each answer or decision", args.pairs);
        report::contest::as_text(&title, &series, BASE)
    };
    Ok((report, series.iter().all(|one| one.failed() == 0)))
}
