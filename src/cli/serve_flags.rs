//! The flags that configure the service, for the commands that have them.

use std::ffi::OsString;

use clap::{Arg, ArgMatches};

use crate::settings::{Override, TABLE, Variable};

/// The flags of `serve`: each with the variable that it overrides, and the placeholder of its value in the help.
pub(super) const SERVE_FLAGS: &[(&str, &str, &str)] = &[
    ("--rules", "RULES", "PATH"),
    ("--defaults", "RULE_DEFAULTS", "PATH"),
    ("--host", "HOST", "HOST"),
    ("--port", "PORT", "PORT"),
    ("--grpc-host", "GRPC_HOST", "HOST"),
    ("--grpc-port", "GRPC_PORT", "PORT"),
    ("--grpc-uds", "GRPC_UDS", "PATH"),
    ("--debug-port", "DEBUG_PORT", "PORT"),
    ("--max-counters", "MAX_COUNTERS", "N"),
    ("--failure-mode", "FAILURE_MODE", "MODE"),
    ("--workers", "WORKERS", "N"),
    ("--log-level", "LOG_LEVEL", "LEVEL"),
    ("--log-format", "LOG_FORMAT", "FORMAT"),
    ("--metrics-addr", "PROMETHEUS_ADDR", "ADDR"),
];

/// The definitions of the flags that configure the service.
pub(super) fn serve_flags() -> impl Iterator<Item = Arg> {
    SERVE_FLAGS.iter().map(|(flag, variable, value)| {
        let Variable { group, meaning, default, .. } = variable_named(variable);
        let default = if default.is_empty() { String::new() } else { format!(" [default: {default}]") };
        Arg::new(*flag)
            .long(flag.trim_start_matches('-'))
            .value_name(*value)
            .value_parser(clap::value_parser!(OsString))
            .help(format!("{} [env: {variable}]{default}", meaning.replace('`', "")))
            .help_heading(group.title())
    })
}

/// The values of the given flags, each for its variable.
pub(super) fn overrides(matches: &ArgMatches) -> Vec<Override> {
    let given = |(flag, variable, _): &(&'static str, &'static str, _)| {
        matches.get_one::<OsString>(flag).map(|value| Override { flag, variable, value: value.clone() })
    };
    SERVE_FLAGS.iter().filter_map(given).collect()
}

pub(super) fn variable_named(name: &str) -> &'static Variable {
    TABLE.iter().find(|variable| variable.name == name).expect("a test looks up the variable of every flag")
}
