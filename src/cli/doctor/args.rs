//! The command line of `doctor`: the flags of `serve`, and its own.

use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches};

use crate::{
    cli::serve_flags::{overrides, serve_flags},
    settings::Override,
};

/// `doctor`: checks the service that `serve` would run with the same environment and flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoctorArgs {
    /// The argument of [`Settings::resolve`](crate::settings::Settings::resolve).
    pub overrides: Vec<Override>,
    /// Whether to print JSON.
    pub json: bool,
    /// The time limit of each check.
    pub timeout: Duration,
}

const DOCTOR_HELP: &str = "\
It reads the environment and the flags as `serve` does, and changes nothing, except that Redis counts hits on two keys
that no rule can have and that expire within seconds. Each line has a verdict (`ok`, `warn` or `fail`), the subject of
the check, what was found, and the cure. docs/doctor.md explains each line.
Exit code 0: nothing fails. 1: something fails. 2: the checks could not run.";

impl Args for DoctorArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        let json = Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON");
        let timeout = Arg::new("timeout")
            .long("timeout")
            .value_name("DURATION")
            .value_parser(humantime::parse_duration)
            .default_value("5s")
            .help("Time limit of each check; the checks run in parallel");
        command.args([json, timeout]).args(serve_flags()).after_help(DOCTOR_HELP)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for DoctorArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let timeout = matches.get_one("timeout").copied().unwrap_or_default();
        Ok(Self { overrides: overrides(matches), json: matches.get_flag("json"), timeout })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
