//! `doctor`: checks everything that a service with these settings needs, before it starts or while it runs, and reports
//! what is wrong and the cure. Each check is a file; it changes nothing, has a deadline, and prints no secret.
//!
//! ```text
//!  environment, flags ─▶ settings ─▶ rules, ports, certificates, xds, redis (in parallel) ─▶ report ─▶ exit code
//! ```

mod args;
mod certificates;
mod finding;
mod ports;
#[cfg(feature = "redis")]
mod redis;
mod report;
mod rules;
mod settings;
mod xds;

use std::{ffi::OsString, io, pin::Pin, sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::timeout};

use self::{finding::Finding, report::Report};
use crate::{app::Config, settings::Settings};

pub use args::DoctorArgs;

/// Why no check could run.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// The runtime cannot be started.
    #[error("cannot start a runtime: {0}; check the limits on threads and open files")]
    Runtime(#[from] io::Error),
}

/// A check that waits for a peer gives up when a tenth of its time is left, so that it can report that the peer was
/// silent, instead of being reported as late itself.
const RESERVE: u32 = 10;

/// A check. Its findings have names of their own: the check of ports has a finding for each port.
struct Check {
    /// The name in the report if the check does not end in time.
    name: &'static str,
    run: Pin<Box<dyn Future<Output = Vec<Finding>> + Send>>,
}

impl Check {
    fn new(name: &'static str, run: impl Future<Output = Vec<Finding>> + Send + 'static) -> Self {
        Self { name, run: Box::pin(run) }
    }
}

/// All checks of a service with these settings, in the order of the report. `patience` is the time limit of each.
fn checks(config: &Arc<Config>, patience: Duration) -> Vec<Check> {
    let checks = [
        Some(rules::check(config)),
        Some(ports::check(config)),
        Some(certificates::check(config)),
        xds::check(config, patience),
        #[cfg(feature = "redis")]
        redis::check(config, patience),
    ];
    checks.into_iter().flatten().collect()
}

/// Runs the checks, and returns the report and the exit code.
///
/// # Errors
/// If no check could run.
pub(super) fn doctor(
    args: &DoctorArgs,
    env: impl Fn(&str) -> Option<OsString>,
    names: impl IntoIterator<Item = OsString>,
) -> Result<(String, u8), DoctorError> {
    let report = match Settings::resolve(&args.overrides, env, names) {
        Ok(Settings { config, warnings }) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let mut report = Report { findings: settings::warnings(&warnings), incomplete: false };
            runtime.block_on(run(checks(&Arc::new(config), args.timeout), args.timeout, &mut report));
            // a file system that hangs must not delay the report
            runtime.shutdown_background();
            report
        }
        Err(error) => Report { findings: settings::errors(&error), incomplete: false },
    };
    let text = if args.json { report.json() } else { report.text() };
    Ok((text, report.exit()))
}

/// Runs all checks concurrently.
async fn run(checks: Vec<Check>, patience: Duration, report: &mut Report) {
    let mut running = JoinSet::new();
    let mut found: Vec<(&str, Option<Vec<Finding>>)> = checks.iter().map(|check| (check.name, None)).collect();
    for (at, Check { name, run }) in checks.into_iter().enumerate() {
        running.spawn(async move {
            let late = || {
                let text = format!("no result after {patience:?}");
                vec![Finding::fail(name, text).cure("find out what hangs, or allow more time with --timeout")]
            };
            (at, timeout(patience, run).await.unwrap_or_else(|_| late()))
        });
    }
    while let Some(done) = running.join_next().await {
        if let Ok((at, findings)) = done {
            found[at].1 = Some(findings);
        }
    }
    for (name, findings) in found {
        report.incomplete |= findings.is_none();
        // the panic's message is on standard error
        let panicked = || vec![Finding::fail(name, "this check panicked").cure("please report it, with its message")];
        report.findings.extend(findings.unwrap_or_else(panicked));
    }
}

/// Runs work that may block, such as reading files, on a thread for it.
async fn blocking(name: &'static str, work: impl FnOnce() -> Vec<Finding> + Send + 'static) -> Vec<Finding> {
    match tokio::task::spawn_blocking(work).await {
        Ok(findings) => findings,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => vec![Finding::fail(name, "not checked: the program is ending")],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{finding::Verdict, *};

    async fn report(checks: Vec<Check>) -> Report {
        let mut report = Report::default();
        run(checks, Duration::from_secs(5), &mut report).await;
        report
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_is_a_finding_and_does_not_delay_others() {
        let hangs = Check::new("hangs", std::future::pending());
        let fine = Check::new("fine", async { vec![Finding::ok("a", "b"), Finding::ok("c", "d")] });
        let report = report(vec![hangs, fine]).await;
        let lines: Vec<_> = report.findings.iter().map(|finding| (finding.verdict, finding.name)).collect();
        assert_eq!(lines, [(Verdict::Fail, "hangs"), (Verdict::Ok, "a"), (Verdict::Ok, "c")]);
        assert!(report.findings[0].found.contains("5s"), "{:?}", report.findings[0]);
        assert_eq!(report.exit(), 1);
    }

    #[tokio::test]
    async fn a_check_that_panics_makes_the_report_incomplete() {
        let panics = Check::new("panics", async { blocking("panics", || unreachable!("a test")).await });
        let report = report(vec![panics, Check::new("fine", async { vec![Finding::ok("a", "b")] })]).await;
        assert_eq!((report.findings.len(), report.exit()), (2, 2));
        assert!(report.findings[0].found.contains("panicked"), "{:?}", report.findings[0]);
    }
}
