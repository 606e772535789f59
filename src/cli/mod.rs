//! The command line: its arguments, and a file for each command. `run` is the whole program except the allocator.

pub mod args;
mod bench;
mod channel;
mod check;
mod diagnosis;
mod doctor;
mod entries;
mod explain;
mod health;
mod hints;
mod host;
mod http2;
mod load;
mod serve;
mod serve_flags;
mod validate;

use std::{
    ffi::OsString,
    fmt::Display,
    io::{self, Write as _},
    process::ExitCode,
};

pub use bench::{BenchArgs, BenchError, LoadArgs};
pub use channel::ConnectError;
pub use check::CheckError;
pub use doctor::{DoctorArgs, DoctorError};
pub use entries::{Entries, EntriesError};
pub use health::HealthError;
pub use host::prepare;
pub use load::LoadError;
pub use serve::ServeError;

use args::Command;

/// Exit code: the command failed, or the answer is no.
const FAILURE: u8 = 1;
/// Exit code: a usage error (the environment, a flag, an address), or no answer.
const USAGE: u8 = 2;
/// Exit code: no limit applies.
const NO_LIMIT: u8 = 3;

/// Runs the command of `argv`, and returns the exit code: 0 success; 1 failure, invalid rules, or over the limit; 2
/// usage error, or no answer; 3 no limit applies. Each command's `--help` lists its own.
#[must_use]
pub fn run(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    prepare();
    let argv: Vec<OsString> = argv.into_iter().collect();
    let command = match args::parse(argv.iter().cloned()) {
        Ok(command) => command,
        Err(error) => {
            // help goes to standard output, errors to standard error; if that is closed, nothing can be done
            let _ = error.print();
            if let Some(hint) = hints::of(&argv, &error).filter(|_| error.exit_code() != 0) {
                let _ = writeln!(io::stderr().lock(), "\nhint: {hint}");
            }
            return code(u8::try_from(error.exit_code()).unwrap_or(USAGE));
        }
    };
    match command {
        Command::Serve(args) => serve::serve(&args),
        Command::Validate(args) => match validate::validate(&args) {
            Ok(report) => say(&report, 0),
            Err(error) => fail(&error, FAILURE),
        },
        Command::Doctor(args) => match doctor::doctor(&args, serve::env_var, serve::env_names()) {
            Ok((report, exit)) => say(&report, exit),
            Err(error) => fail(&error, USAGE),
        },
        Command::Explain(args) => match explain::explain(&args) {
            Ok((report, true)) => say(&report, 0),
            Ok((report, false)) => say(&report, NO_LIMIT),
            Err(error) => fail(&error, FAILURE),
        },
        Command::Check(args) => match check::check(&args) {
            Ok((report, exit)) => say(&report, exit),
            Err(error) => fail(&error, USAGE),
        },
        Command::Bench(args) => match bench::bench(&args) {
            Ok((report, true)) => say(&report, 0),
            Ok((report, false)) => say(&report, FAILURE),
            Err(error) => fail(&error, USAGE),
        },
        // never 2, which Docker reserves
        Command::Health(args) => match health::health(&args, serve::env_var) {
            Ok(()) => say("OK\n", 0),
            Err(error) => fail(&error, FAILURE),
        },
    }
}

fn code(code: u8) -> ExitCode {
    ExitCode::from(code)
}

fn say(text: &str, exit: u8) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => code(exit),
        // the reader has closed its end, as `head` does
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => code(exit),
        Err(error) => fail(&error, FAILURE),
    }
}

fn fail(error: &dyn Display, exit: u8) -> ExitCode {
    // the alternate form shows errors in rules with their lines; if standard error is closed, nothing can be done
    let _ = writeln!(io::stderr().lock(), "{error:#}");
    code(exit)
}
