//! `bench`: generates load for any rate limit service, and reports the results. The generator is the crate `load`.

mod args;

use std::io;

pub use args::{BenchArgs, LoadArgs};
use load::{Line, LoadError, ProcessMeter, RequestsError, report};

/// Why there is nothing to report.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The arguments do not define valid requests.
    #[error(transparent)]
    Requests(#[from] RequestsError),
    /// Load cannot be generated.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The runtime or the signal handler cannot be started.
    #[error("cannot start a runtime: {0}")]
    Runtime(#[from] io::Error),
}

/// Generates the load. Returns the report, and whether every request was answered.
///
/// # Errors
/// If nothing could be measured.
pub(super) fn bench(args: &BenchArgs) -> Result<(String, bool), BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(run(&args.load));
    // after a failure, threads that still generate load end with the process
    runtime.shutdown_background();
    done
}

async fn run(args: &LoadArgs) -> Result<(String, bool), BenchError> {
    let scenario = args.scenario()?;
    let mut line = Line::default();
    line.begin("", scenario.duration());
    let stop = load::interrupted()?;
    let mut meter = ProcessMeter { server: args.pid() };
    let measured = scenario.run(&mut meter, |progress| line.show(progress), stop).await;
    line.clear();
    let measured = measured?;
    let text = if args.json() {
        format!("{:#}\n", report::as_json(&scenario, &measured))
    } else {
        report::as_text(&scenario, &measured)
    };
    Ok((text, measured.tally.errors() == 0 && measured.tally.answered() > 0))
}
