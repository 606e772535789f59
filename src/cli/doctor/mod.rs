//! `doctor`: checks everything that a service with these settings needs, before it runs or beside it, and reports what
//! is wrong and what to do about it. Each check is a file; it changes nothing, has a deadline, and prints no secret.
//!
//! ```text
//!  environment, flags ─▶ settings ─▶ rules, ports, certificates, xds, redis (side by side) ─▶ report ─▶ exit code
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

/// Why nothing could be checked.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// There is no runtime.
    #[error("cannot start a runtime: {0}; check the limits on threads and open files")]
    Runtime(#[from] io::Error),
}

/// The part of its time that a check which waits for a peer reserves, to report that the peer was silent, rather than
/// that the check was late.
const RESERVE: u32 = 10;

/// One check. Its findings have names of their own: the check of ports has a line for each port.
struct Check {
    /// Its name in the report if it finds nothing in time.
    name: &'static str,
    look: Pin<Box<dyn Future<Output = Vec<Finding>> + Send>>,
}

impl Check {
    fn new(name: &'static str, look: impl Future<Output = Vec<Finding>> + Send + 'static) -> Self {
        Self { name, look: Box::pin(look) }
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
/// If nothing could be checked.
pub(super) fn doctor(
    args: &DoctorArgs,
    env: impl Fn(&str) -> Option<OsString>,
    names: impl IntoIterator<Item = OsString>,
) -> Result<(String, u8), DoctorError> {
    let report = match Settings::resolve(&args.overrides, env, names) {
        Ok(Settings { config, warnings }) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let mut report = Report { findings: settings::found(&warnings), blind: false };
            runtime.block_on(look(checks(&Arc::new(config), args.timeout), args.timeout, &mut report));
            // a file system that hangs must not keep the report
            runtime.shutdown_background();
            report
        }
        Err(error) => Report { findings: settings::faults(&error), blind: false },
    };
    let text = if args.json { report.json() } else { report.text() };
    Ok((text, report.exit()))
}

/// Runs all of them concurrently.
async fn look(checks: Vec<Check>, patience: Duration, report: &mut Report) {
    let mut looking = JoinSet::new();
    let mut found: Vec<(&str, Option<Vec<Finding>>)> = checks.iter().map(|check| (check.name, None)).collect();
    for (at, Check { name, look }) in checks.into_iter().enumerate() {
        looking.spawn(async move {
            let late = || {
                let text = format!("nothing is known after {patience:?}");
                vec![Finding::fail(name, text).cure("see whether what it asks hangs, or give it more with --timeout")]
            };
            (at, timeout(patience, look).await.unwrap_or_else(|_| late()))
        });
    }
    while let Some(done) = looking.join_next().await {
        if let Ok((at, findings)) = done {
            found[at].1 = Some(findings);
        }
    }
    for (name, findings) in found {
        report.blind |= findings.is_none();
        // its message is on standard error
        let broken = || vec![Finding::fail(name, "this check panicked").cure("please report it, with its message")];
        report.findings.extend(findings.unwrap_or_else(broken));
    }
}

/// Runs what may block, such as reading files, where it may.
async fn blocking(name: &'static str, work: impl FnOnce() -> Vec<Finding> + Send + 'static) -> Vec<Finding> {
    match tokio::task::spawn_blocking(work).await {
        Ok(findings) => findings,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => vec![Finding::fail(name, "it was not looked at: the program is ending")],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{finding::Verdict, *};

    async fn looked(checks: Vec<Check>) -> Report {
        let mut report = Report::default();
        look(checks, Duration::from_secs(5), &mut report).await;
        report
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_is_a_line_and_keeps_no_other() {
        let hangs = Check::new("hangs", std::future::pending());
        let fine = Check::new("fine", async { vec![Finding::ok("a", "b"), Finding::ok("c", "d")] });
        let report = looked(vec![hangs, fine]).await;
        let lines: Vec<_> = report.findings.iter().map(|finding| (finding.verdict, finding.name)).collect();
        assert_eq!(lines, [(Verdict::Fail, "hangs"), (Verdict::Ok, "a"), (Verdict::Ok, "c")]);
        assert!(report.findings[0].found.contains("5s"), "{:?}", report.findings[0]);
        assert_eq!(report.exit(), 1);
    }

    #[tokio::test]
    async fn a_check_that_panics_makes_the_report_blind() {
        let broken = Check::new("broken", async { blocking("broken", || unreachable!("a test")).await });
        let report = looked(vec![broken, Check::new("fine", async { vec![Finding::ok("a", "b")] })]).await;
        assert_eq!((report.findings.len(), report.exit()), (2, 2));
        assert!(report.findings[0].found.contains("panicked"), "{:?}", report.findings[0]);
    }
}
