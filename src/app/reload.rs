//! From whole sets of rule files to the rules in force: compile beside the request path, swap, or keep the old ones.
//! New defaults are a reason to compile the same files again.

use std::{
    fmt::Display,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, task, task::JoinSet};

use super::{
    defaults::{Good, Newest},
    readiness::Readiness,
};
use crate::{
    engine::{
        Live, LiveHandle,
        stats::{SeriesName, Stats, StatsTable},
    },
    rules::{self, CompileErrors, CompileOptions, Compiled, RuleFile, RuleSet},
    source::{ContentHash, FileSource, Snapshot, SourceFile},
    telemetry::{LoadResult, Metrics},
};

/// How often an old rule set is looked at, until no request uses it.
const RETIRE_POLL: Duration = Duration::from_millis(50);

/// Applies what a source yields.
pub(super) struct Reloader {
    pub(super) live: LiveHandle,
    pub(super) stats: Arc<Stats>,
    pub(super) options: CompileOptions<'static>,
    pub(super) defaults: Newest,
    pub(super) metrics: Arc<Metrics>,
    pub(super) ready: Readiness,
}

/// Rules that can be compiled, more than once.
struct Rules {
    files: Vec<RuleFile>,
    hash: ContentHash,
}

impl Reloader {
    /// Runs until dropped. Says when the first load has ended, well or not.
    pub(super) async fn run(mut self, mut source: FileSource, first: oneshot::Sender<()>) {
        let mut first = Some(first);
        let mut retired = JoinSet::new();
        let mut last: Option<Arc<Rules>> = None;
        loop {
            let update = {
                let mut next = pin!(source.next());
                loop {
                    tokio::select! {
                        update = &mut next => break update,
                        () = self.defaults.changed() => {}
                    }
                    match &last {
                        Some(rules) => retired.extend(self.apply(Arc::clone(rules)).await.map(retire)),
                        // they will be used when there are rules
                        None => drop(self.defaults.get()),
                    }
                }
            };
            match update {
                Ok(Snapshot { files, hash }) => {
                    let file = |file: SourceFile| RuleFile { name: file.name, content: file.bytes };
                    let rules = Arc::new(Rules { files: files.into_iter().map(file).collect(), hash });
                    // a copy of the files is only kept where it may be needed
                    last = self.defaults.may_change().then(|| Arc::clone(&rules));
                    retired.extend(self.apply(rules).await.map(retire));
                }
                Err(error) => self.refused("cannot be read", " ", error),
            }
            while retired.try_join_next().is_some() {}
            if let Some(first) = first.take() {
                // nobody listens where the service did not wait for the rules
                let _ = first.send(());
            }
        }
    }

    /// Counts and tells a load that failed.
    fn refused(&self, what: &str, before: &str, faults: impl Display) {
        self.metrics.config_load(LoadResult::Refused);
        let meanwhile = if self.live.load().is_some() {
            "the former ones stay in force"
        } else {
            "and there are none yet: every call is answered UNAVAILABLE until they load"
        };
        tracing::error!("rules {what}, {meanwhile}:{before}{faults}");
    }

    /// Puts rules in force, with the newest defaults. Gives the rules that are no longer.
    async fn apply(&mut self, rules: Arc<Rules>) -> Option<Arc<Live>> {
        let (files, defaults) = (rules.files.len(), self.defaults.get());
        let (options, stats, previous) = (self.options, Arc::clone(&self.stats), self.live.load_full());
        let compile = move || compile(&rules, defaults.as_deref(), options, &stats, previous.as_deref());
        let (live, warnings) = match task::spawn_blocking(compile).await {
            Ok(Ok(compiled)) => compiled,
            Ok(Err(errors)) => {
                self.refused("are refused", "\n", errors);
                return None;
            }
            // the runtime is shutting down, or compiling panicked, which has been printed
            Err(error) => {
                self.refused("could not be compiled", " ", error);
                return None;
            }
        };
        if files == 0 {
            tracing::warn!("there are no rule files: every request is allowed");
        }
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let (domains, rules, hash) = (live.rules.domains().len(), live.rules.rule_count(), live.hash.clone());
        let old = self.live.swap(Some(Arc::new(live)));
        self.metrics.config_load(LoadResult::Applied);
        self.ready.rules_loaded(domains);
        tracing::info!(files, domains, rules, hash, "rules loaded");
        old
    }
}

fn compile(
    rules: &Rules,
    defaults: Option<&Good>,
    options: CompileOptions<'_>,
    stats: &Arc<Stats>,
    previous: Option<&Live>,
) -> Result<(Live, Vec<rules::Diagnostic>), CompileErrors> {
    let hash = defaults.map_or(rules.hash, |defaults| rules.hash.and(defaults.hash)).to_string();
    let options = CompileOptions { defaults: defaults.map(|good| &good.defaults), ..options };
    let Compiled { rules, warnings } = rules::compile(&rules.files, &options)?;
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
