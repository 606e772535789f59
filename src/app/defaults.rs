//! The defaults of the rules, from the file that `RULE_DEFAULTS` names: read at start, which fails without them, and
//! whenever the file changes; then the former ones stay if there is a fault.

use std::sync::Arc;

use tokio::{sync::watch, task};

use super::{
    AppError,
    loads::{LoadResult, Loads},
};
use limiter::domain::Capabilities;
use rules::{CompileErrors, CompiledDefaults, RuleDefaults};

use crate::source::{self, ContentHash, FileSource, FileSourceConfig, Snapshot};

/// Defaults that are good, and the hash of their file.
#[derive(Debug)]
pub(super) struct Good {
    pub(super) defaults: RuleDefaults,
    pub(super) hash: ContentHash,
}

/// The defaults in force; none ever where no file was named.
#[derive(Clone)]
pub(super) struct Defaults(Option<watch::Sender<Arc<Good>>>);

impl Defaults {
    /// Reads the file, if one is named.
    ///
    /// # Errors
    /// If it cannot be read, or there is a fault in it.
    pub(super) fn load(file: Option<&FileSourceConfig>, capabilities: Capabilities) -> Result<Self, AppError> {
        let Some(file) = file else { return Ok(Self(None)) };
        let snapshot = source::read(&file.location).map_err(AppError::DefaultsUnreadable)?;
        let good = compile(snapshot, capabilities).map_err(AppError::Defaults)?;
        Ok(Self(Some(watch::Sender::new(Arc::new(good)))))
    }

    /// For one who uses them.
    pub(super) fn newest(&self) -> Newest {
        Newest(self.0.as_ref().map(watch::Sender::subscribe))
    }

    /// Puts what `files` yields in force. Runs until dropped.
    pub(super) async fn follow(self, mut files: FileSource, capabilities: Capabilities, loads: Arc<Loads>) {
        let Some(newest) = self.0 else { return std::future::pending().await };
        let mut refused = false;
        loop {
            let faults = match files.next().await {
                Ok(snapshot) if snapshot.hash == newest.borrow().hash => {
                    if refused {
                        tracing::info!("the defaults of the rules are again those in force");
                    }
                    None
                }
                Ok(snapshot) => match task::spawn_blocking(move || compile(snapshot, capabilities)).await {
                    Ok(Ok(good)) => {
                        newest.send_replace(Arc::new(good));
                        None
                    }
                    Ok(Err(errors)) => Some(format!("\n{errors}")),
                    // the runtime is shutting down, or compiling panicked, which has been printed
                    Err(error) => Some(format!(" {error}")),
                },
                Err(error) => Some(format!(" {error}")),
            };
            refused = faults.is_some();
            if let Some(faults) = faults {
                loads.count(LoadResult::Refused);
                tracing::error!("new defaults of the rules are refused, the former ones stay in force:{faults}");
            }
        }
    }
}

/// The defaults in force, for one who compiles rules.
pub(super) struct Newest(Option<watch::Receiver<Arc<Good>>>);

impl Newest {
    /// Those of now; [`Newest::changed`] waits for others.
    pub(super) fn get(&mut self) -> Option<Arc<Good>> {
        self.0.as_mut().map(|newest| Arc::clone(&newest.borrow_and_update()))
    }

    /// Whether there may be others some time.
    pub(super) fn may_change(&self) -> bool {
        self.0.is_some()
    }

    /// Waits until there are others than [`Newest::get`] gave. Cancelling it loses no change.
    pub(super) async fn changed(&mut self) {
        let changed = match &mut self.0 {
            Some(newest) => newest.changed().await.is_ok(),
            None => false,
        };
        if !changed {
            // no file was named, or the process is about to end
            std::future::pending::<()>().await;
        }
    }
}

fn compile(snapshot: Snapshot, capabilities: Capabilities) -> Result<Good, CompileErrors> {
    let Snapshot { files, hash } = snapshot;
    let CompiledDefaults { defaults, warnings } = RuleDefaults::compile(&files, capabilities)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(Good { defaults, hash })
}
