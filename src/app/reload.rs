//! From whole sets of rule files to the rules in force: compile beside the request path, swap, or keep the old ones.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, task, task::JoinSet};

use super::readiness::Readiness;
use crate::{
    engine::{
        Live, LiveHandle,
        stats::{SeriesName, Stats, StatsTable},
    },
    rules::{self, CompileErrors, CompileOptions, Compiled, RuleFile, RuleSet},
    source::{FileSource, Snapshot, Update},
    telemetry::{LoadResult, Metrics},
};

/// How often an old rule set is looked at, until no request uses it.
const RETIRE_POLL: Duration = Duration::from_millis(50);

/// Applies what a source yields.
pub(super) struct Reloader {
    pub(super) source: FileSource,
    pub(super) live: LiveHandle,
    pub(super) stats: Arc<Stats>,
    pub(super) options: CompileOptions,
    pub(super) metrics: Arc<Metrics>,
    pub(super) ready: Readiness,
}

impl Reloader {
    /// Runs until dropped. Says when the first load has ended, well or not.
    pub(super) async fn run(mut self, first: oneshot::Sender<()>) {
        let mut first = Some(first);
        let mut retired = JoinSet::new();
        loop {
            let update = self.source.next().await;
            if let Some(old) = self.apply(update).await {
                retired.spawn(retire(old));
            }
            while retired.try_join_next().is_some() {}
            if let Some(first) = first.take() {
                // nobody listens where the service did not wait for the rules
                let _ = first.send(());
            }
        }
    }

    /// What holds while a load has failed.
    fn meanwhile(&self) -> &'static str {
        if self.live.load().is_some() {
            "the former ones stay in force"
        } else {
            "and there are none yet: every call is answered UNAVAILABLE until they load"
        }
    }

    /// Gives the rules that are no longer in force.
    async fn apply(&self, update: Update) -> Option<Arc<Live>> {
        let snapshot = match update {
            Ok(snapshot) => snapshot,
            Err(error) => {
                self.metrics.config_load(LoadResult::Refused);
                tracing::error!("rules cannot be read, {}: {error}", self.meanwhile());
                return None;
            }
        };
        let (hash, files) = (snapshot.hash.to_string(), snapshot.files.len());
        let (options, stats, previous) = (self.options, Arc::clone(&self.stats), self.live.load_full());
        let compiled = task::spawn_blocking(move || compile(snapshot, &options, &stats, previous.as_deref())).await;
        let (live, warnings) = match compiled {
            Ok(Ok(compiled)) => compiled,
            Ok(Err(errors)) => {
                self.metrics.config_load(LoadResult::Refused);
                tracing::error!("rules are refused, {}:\n{errors}", self.meanwhile());
                return None;
            }
            // the runtime is shutting down, or compiling panicked, which has been printed
            Err(error) => {
                self.metrics.config_load(LoadResult::Refused);
                tracing::error!("rules could not be compiled, {}: {error}", self.meanwhile());
                return None;
            }
        };
        if files == 0 {
            tracing::warn!("there are no rule files: every request is allowed");
        }
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let (domains, rules) = (live.rules.domains().len(), live.rules.rule_count());
        let old = self.live.swap(Some(Arc::new(live)));
        self.metrics.config_load(LoadResult::Applied);
        self.ready.rules_loaded(domains);
        tracing::info!(files, domains, rules, hash, "rules loaded");
        old
    }
}

fn compile(
    snapshot: Snapshot,
    options: &CompileOptions,
    stats: &Arc<Stats>,
    previous: Option<&Live>,
) -> Result<(Live, Vec<rules::Diagnostic>), CompileErrors> {
    let hash = snapshot.hash.to_string();
    let files: Vec<RuleFile> =
        snapshot.files.into_iter().map(|file| RuleFile { name: file.name, content: file.bytes }).collect();
    let Compiled { rules, warnings } = rules::compile(&files, options)?;
    let stats = StatsTable::build(stats, names(&rules), previous.map(|live| &*live.stats));
    Ok((Live { rules, stats: Arc::new(stats), hash, since: Instant::now() }, warnings))
}

fn names(rules: &RuleSet) -> impl Iterator<Item = (rules::RuleId, SeriesName<'_>)> {
    rules.rules().map(|(domain, found)| {
        let name = found
            .static_levels()
            .fold(SeriesName::new(domain.name()), |name, level| name.level(level.key, level.value));
        (found.rule.id(), name)
    })
}

/// Drops an old rule set once no request uses it, on a thread where that may take long: a million rules are not freed
/// at once.
async fn retire(old: Arc<Live>) {
    while Arc::strong_count(&old) > 1 {
        tokio::time::sleep(RETIRE_POLL).await;
    }
    // an error means that the runtime is shutting down, and then the process ends anyway
    let _ = task::spawn_blocking(move || drop(old)).await;
}
