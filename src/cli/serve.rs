//! `serve`: reads settings from the environment and flags, starts logging, and runs the service.

use std::{env, ffi::OsString, io::IsTerminal as _, process::ExitCode};

use tracing::level_filters::LevelFilter;

use super::{FAILURE, USAGE, args::ServeArgs, code, fail};
use crate::{
    app::{self, AppError, Config},
    settings::{Settings, SettingsError},
    telemetry::logging::{self, LogQueue, LoggingError},
};

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A setting is invalid; exit code 2.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The service cannot start, or a part of it failed; exit code 1, or 2 if a Redis never answered, as in the
    /// reference.
    #[error(transparent)]
    App(#[from] AppError),
    /// Logging cannot start; exit code 1.
    #[error(transparent)]
    Logging(#[from] LoggingError),
}

impl ServeError {
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) => USAGE,
            Self::App(AppError::Store(error)) if error.is_never_answered() => USAGE,
            Self::App(_) | Self::Logging(_) => FAILURE,
        }
    }
}

/// Serves until a signal, and returns the exit code. After logging has started, all output goes through the log,
/// because a write to standard error could block forever.
pub(super) fn serve(args: &ServeArgs) -> ExitCode {
    let (config, log) = match begin(args) {
        Ok(begun) => begun,
        Err(error) => return fail(&error, error.exit_code()),
    };
    let code = match app::run(&config, &log).map_err(ServeError::from) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::failure(&log, config.log.format, &format!("{error:#}"));
            code(error.exit_code())
        }
    };
    log.flush();
    code
}

fn begin(args: &ServeArgs) -> Result<(Config, LogQueue), ServeError> {
    let Settings { mut config, warnings } = Settings::resolve(&args.overrides, env_var, env_names())?;
    if std::io::stderr().is_terminal() && !sets_log_level(args) {
        // started in a terminal, the service should show that it runs
        config.log.level = LevelFilter::INFO;
    }
    let log = logging::init(config.log)?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    Ok((config, log))
}

/// Whether a flag or the environment sets the log level.
fn sets_log_level(args: &ServeArgs) -> bool {
    const NAME: &str = "LOG_LEVEL";
    let flags = args.overrides.iter().filter(|given| given.variable == NAME).map(|given| given.value.clone());
    env_var(NAME).into_iter().chain(flags).any(|level| !level.is_empty())
}

/// The names of all variables in this process's environment.
pub(super) fn env_names() -> impl Iterator<Item = OsString> {
    env::vars_os().map(|(name, _)| name)
}

/// The value of a variable in this process's environment.
pub(super) fn env_var(name: &str) -> Option<OsString> {
    env::var_os(name)
}
