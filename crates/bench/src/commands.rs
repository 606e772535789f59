//! The command line of `bench`.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{
    bare::{self, BareArgs},
    calls::{self, CallsArgs},
    compare::{self, CompareArgs},
    error::Error,
    fleet::{self, FleetArgs},
    plot,
    targets::{self, TargetsArgs},
};

/// A request was not answered, or a target was missed.
const FAILURE: u8 = 1;
/// Nothing could be measured.
const USAGE: u8 = 2;

/// Measures the promised performance of Tollgate
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve as the ceiling: tonic alone, answering OK to every request
    Bare(BareArgs),
    /// Compare a service in alternating rounds with its ceiling: tonic alone, which answers OK to the same requests
    Compare(Box<CompareArgs>),
    /// Measure all promises about Tollgate's performance, with servers started for it
    Targets(TargetsArgs),
    /// Measure what a fleet costs its Redis: processes with little to do each, beside as many clients that send INCRBY
    /// and EXPIRE, in alternating rounds, with servers started for each
    Fleet(Box<FleetArgs>),
    /// Measure what calls cost a Redis that is started for it, without a service: our script with one decision and with
    /// many, by algorithm, and plain commands, in alternating rounds
    Calls(Box<CallsArgs>),
    /// Draw the plots of docs/performance.md from the results of `cargo bench -p bench --bench scale`
    Plot,
}

/// Runs the command in `argv`. Returns the exit code: 0 for success; 1 if a request was not answered or a target was
/// missed; 2 if nothing could be measured.
#[must_use]
pub fn run(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    // like Tollgate, so that the bare server is a fair ceiling
    tollgate::cli::prepare();
    let cli = match Cli::try_parse_from(argv) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE));
        }
    };
    match execute(&cli.command).and_then(|(report, good)| Ok((io::stdout().write_all(report.as_bytes())?, good))) {
        Ok(((), true)) => ExitCode::SUCCESS,
        Ok(((), false)) => ExitCode::from(FAILURE),
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(USAGE)
        }
    }
}

/// Returns the report, and whether everything succeeded.
fn execute(command: &Command) -> Result<(String, bool), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        match command {
            Command::Bare(args) => bare::serve(args).await.map(|()| (String::new(), true)).map_err(Error::from),
            Command::Compare(args) => compare::run(args).await,
            Command::Targets(args) => targets::run(args).await,
            Command::Fleet(args) => fleet::run(args).await,
            Command::Calls(args) => calls::run(args).await,
            Command::Plot => Ok((String::new(), plot::write().map(|()| true)?)),
        }
    });
    // after a failure, threads that still make load end with the process
    runtime.shutdown_background();
    done
}
