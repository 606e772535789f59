//! The rule defaults, from the file that `RULE_DEFAULTS` names. They are read at start, where an error ends the
//! process, and again when the file changes, where an error leaves the active defaults in use.

use std::sync::Arc;

use tokio::{sync::watch, task};

use super::{
    AppError,
    loads::{LoadResult, Loads},
};
use limiter::domain::Capabilities;
use rules::{CompileErrors, CompiledDefaults, RuleDefaults};

use crate::source::{self, ContentHash, FileSource, FileSourceConfig, Snapshot};

/// Compiled defaults, and the hash of their file.
#[derive(Debug)]
pub(super) struct LoadedDefaults {
    pub(super) defaults: RuleDefaults,
    pub(super) hash: ContentHash,
}

/// The active defaults; `None` if no file is configured.
#[derive(Clone)]
pub(super) struct Defaults(Option<watch::Sender<Arc<LoadedDefaults>>>);

impl Defaults {
    /// Reads the file, if one is configured.
    ///
    /// # Errors
    /// If the file cannot be read, or does not compile.
    pub(super) fn load(file: Option<&FileSourceConfig>, capabilities: Capabilities) -> Result<Self, AppError> {
        let Some(file) = file else { return Ok(Self(None)) };
        let snapshot = source::read(&file.location).map_err(AppError::DefaultsUnreadable)?;
        let loaded = compile(snapshot, capabilities).map_err(AppError::Defaults)?;
        Ok(Self(Some(watch::Sender::new(Arc::new(loaded)))))
    }

    /// A receiver of the active defaults and their changes.
    pub(super) fn subscribe(&self) -> DefaultsReceiver {
        DefaultsReceiver(self.0.as_ref().map(watch::Sender::subscribe))
    }

    /// Compiles each snapshot of `files` and makes it the active defaults. Runs until dropped.
    pub(super) async fn follow(self, mut files: FileSource, capabilities: Capabilities, loads: Arc<Loads>) {
        let Some(active) = self.0 else { return std::future::pending().await };
        let mut is_rejected = false;
        loop {
            let error = match files.next().await {
                Ok(snapshot) if snapshot.hash == active.borrow().hash => {
                    if is_rejected {
                        tracing::info!("the file of the rule defaults has the content of the active defaults again");
                    }
                    None
                }
                Ok(snapshot) => match task::spawn_blocking(move || compile(snapshot, capabilities)).await {
                    Ok(Ok(loaded)) => {
                        active.send_replace(Arc::new(loaded));
                        None
                    }
                    Ok(Err(error)) => Some(format!("\n{error}")),
                    // the runtime is shutting down, or compiling panicked and the panic was printed
                    Err(error) => Some(format!(" {error}")),
                },
                Err(error) => Some(format!(" {error}")),
            };
            is_rejected = error.is_some();
            if let Some(error) = error {
                loads.count(LoadResult::Refused);
                tracing::error!("new rule defaults are rejected, the active ones stay:{error}");
            }
        }
    }
}

/// Receives the active defaults, to compile rules with them.
pub(super) struct DefaultsReceiver(Option<watch::Receiver<Arc<LoadedDefaults>>>);

impl DefaultsReceiver {
    /// The active defaults; `None` if no file is configured.
    pub(super) fn get(&mut self) -> Option<Arc<LoadedDefaults>> {
        self.0.as_mut().map(|active| Arc::clone(&active.borrow_and_update()))
    }

    /// Whether the defaults can change: a file is configured.
    pub(super) fn may_change(&self) -> bool {
        self.0.is_some()
    }

    /// Waits until the defaults differ from those that [`DefaultsReceiver::get`] returned last. Cancelling it loses no
    /// change.
    pub(super) async fn changed(&mut self) {
        let changed = match &mut self.0 {
            Some(active) => active.changed().await.is_ok(),
            None => false,
        };
        if !changed {
            // no file is configured, or the process is about to end
            std::future::pending::<()>().await;
        }
    }
}

/// Compiles the defaults, and logs the warnings.
fn compile(snapshot: Snapshot, capabilities: Capabilities) -> Result<LoadedDefaults, CompileErrors> {
    let Snapshot { files, hash } = snapshot;
    let CompiledDefaults { defaults, warnings } = RuleDefaults::compile(&files, capabilities)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(LoadedDefaults { defaults, hash })
}
