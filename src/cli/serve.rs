//! `serve`: settings from the environment and flags, logging, and then the service itself.

use std::{env, ffi::OsString, io::IsTerminal as _};

use tracing::level_filters::LevelFilter;

use super::args::ServeArgs;
use crate::{
    app::{self, AppError},
    settings::{LogFormat, Settings, SettingsError},
    telemetry::logging,
};

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// What it was told makes no sense; exit code 2.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// It cannot start, or a part of it broke; exit code 1. With a Redis that never answered it is 2, as in the reference.
    #[error(transparent)]
    App(#[from] AppError),
    /// Somebody else already logs in this process.
    #[error("cannot start logging: {0}")]
    Logging(#[from] tracing::subscriber::SetGlobalDefaultError),
}

impl ServeError {
    /// Whether what it was told is at fault.
    pub(super) const fn is_usage(&self) -> bool {
        matches!(self, Self::Settings(_) | Self::App(AppError::NeverAnswered { .. }))
    }
}

/// Serves until a signal ends it.
///
/// # Errors
/// If it cannot start.
pub(super) fn serve(args: &ServeArgs) -> Result<(), ServeError> {
    let mut settings = Settings::resolve(&args.overrides, env_var, env_names())?;
    if std::io::stderr().is_terminal() && !says_log_level(args) {
        // a person who starts it wants to see that it runs
        settings.logging.level = LevelFilter::INFO;
    }
    let format = match settings.logging.format {
        LogFormat::Text => logging::Format::Text,
        LogFormat::Json => logging::Format::Json,
    };
    logging::init(settings.logging.level, format)?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    Ok(app::run(&settings)?)
}

fn says_log_level(args: &ServeArgs) -> bool {
    const NAME: &str = "LOG_LEVEL";
    let flags = args.overrides.iter().filter(|given| given.variable == NAME).map(|given| given.value.clone());
    env_var(NAME).into_iter().chain(flags).any(|level| !level.is_empty())
}

/// The names of this process's environment.
pub(super) fn env_names() -> impl Iterator<Item = OsString> {
    env::vars_os().map(|(name, _)| name)
}

/// A variable of this process's environment.
pub(super) fn env_var(name: &str) -> Option<OsString> {
    env::var_os(name)
}
