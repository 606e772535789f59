//! Turns each rule set of the source into the active rules: compiles it outside the request path, then swaps it in, or
//! keeps the active rules if there are errors, and reports the outcome to the source. When the defaults change, the
//! same rules are compiled again.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::{oneshot, watch},
    task::JoinSet,
};

use super::{
    defaults::{DefaultsReceiver, LoadedDefaults},
    loader::Loader,
    loads::{LoadResult, Loads},
    readiness::Readiness,
};
use limiter::domain::{AtomicGroups, Capabilities};
use rules::{CompileErrors, CompileOptions, Compiled};

use crate::{
    engine::{ActiveRules, ActiveRulesHandle, stats::Stats},
    source::{Content, RawRules, Source, SourceUpdate},
};

/// How often a replaced rule set is checked for requests that still use it.
const RETIRE_POLL: Duration = Duration::from_millis(50);

/// Applies the rule sets that a source yields.
pub(super) struct Reloader {
    pub(super) active: ActiveRulesHandle,
    pub(super) stats: Arc<Stats>,
    pub(super) options: CompileOptions<'static>,
    /// Whether the store charges groups all or none, which may become known only later.
    pub(super) atomic_groups: watch::Receiver<AtomicGroups>,
    /// `STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT`: every request is such a group, whatever its rules are.
    pub(super) stop_increment: bool,
    /// The settings that determine the source, for error messages.
    pub(super) source_setting: &'static str,
    pub(super) loader: Loader,
    pub(super) defaults: DefaultsReceiver,
    pub(super) loads: Arc<Loads>,
    pub(super) ready: Readiness,
}

impl Reloader {
    /// Runs until dropped. Sends on `first` when the first load has ended, with or without success.
    pub(super) async fn run(mut self, mut source: Source, first: oneshot::Sender<()>) {
        let mut first = Some(first);
        let mut retired = JoinSet::new();
        let mut last: Option<Arc<RawRules>> = None;
        let mut defaults = self.defaults.get();
        loop {
            let update = {
                let mut next = pin!(source.next());
                loop {
                    tokio::select! {
                        update = &mut next => break update,
                        () = self.defaults.changed() => defaults = self.defaults.get(),
                        () = changed(&mut self.atomic_groups) => {
                            self.check_groups();
                            continue;
                        }
                    }
                    if let Some(rules) = &last {
                        let outcome = self.apply(Arc::clone(rules), defaults.clone()).await;
                        // an error has been logged, and the active rules stay
                        retired.extend(outcome.ok().flatten().map(|old| retire(old, self.loader.clone())));
                    }
                }
            };
            let outcome = match update {
                SourceUpdate::Rules(rules) => {
                    let rules = Arc::new(rules);
                    let outcome = self.apply(Arc::clone(&rules), defaults.clone()).await;
                    // Rejected files may compile with new defaults. An xDS server is informed of the rejection and
                    // assumes that its previous rules stay, so its rejected rules are not tried again.
                    let is_candidate = outcome.is_ok() || matches!(rules.content, Content::Files(_));
                    // the rules are kept only if changed defaults can make it necessary to compile them again
                    let keep = self.defaults.may_change() && is_candidate;
                    let unneeded = if keep { last.replace(rules) } else { Some(rules) };
                    retired.extend(unneeded.map(|rules| self.loader.clone().free(rules)));
                    outcome.map(|old| retired.extend(old.map(|old| retire(old, self.loader.clone()))))
                }
                SourceUpdate::Unchanged => {
                    self.loads.count(LoadResult::Unchanged);
                    continue;
                }
                SourceUpdate::Unreadable(error) => {
                    let errors = format!("{error} ({})", self.source_setting);
                    Err(self.rejected("cannot be read", " ", errors))
                }
            };
            while retired.try_join_next().is_some() {}
            if let Some(first) = first.take() {
                // an error means that the service does not wait for the first load
                let _ = first.send(());
            }
            source.settle(outcome).await;
        }
    }

    /// Makes the process unready if the active rules, or a setting, need groups that are charged all or none, and the
    /// store turned out not to support them. New rules of that kind are rejected, but these became active before.
    fn check_groups(&self) {
        let fault = self.atomic_groups.borrow().unsupported().and_then(|why| {
            let cause = if self.stop_increment {
                "STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT is true".to_owned()
            } else {
                self.active.load().as_ref()?.rules.all_or_none()?.to_string()
            };
            Some(format!("{cause}, and the counter store cannot charge a request all or none: {why}"))
        });
        if let Some(fault) = &fault {
            tracing::error!("unready: {fault}");
        }
        self.ready.groups(fault.map(Into::into));
    }

    /// Counts and logs a load that failed, and returns `errors`. In the log line, `what` is what happened to the rules,
    /// and `separator` precedes the errors.
    fn rejected(&self, what: &str, separator: &str, errors: String) -> String {
        self.loads.count(LoadResult::Refused);
        let consequence = if self.active.load().is_some() {
            "the active rules stay"
        } else {
            "and no rules are active yet: every call is answered UNAVAILABLE until rules are loaded"
        };
        tracing::error!("rules {what}, {consequence}:{separator}{errors}");
        errors
    }

    /// Compiles `rules` and makes them the active rules. Returns the rules that they replace, or the errors, one per
    /// line.
    async fn apply(
        &self,
        rules: Arc<RawRules>,
        defaults: Option<Arc<LoadedDefaults>>,
    ) -> Result<Option<Arc<ActiveRules>>, String> {
        let (files, resources) = match &rules.content {
            Content::Files(files) => (Some(files.len()), None),
            Content::Resources(resources) => (None, Some(resources.len())),
        };
        let capabilities = Capabilities { atomic_groups: *self.atomic_groups.borrow(), ..self.options.capabilities };
        let options = CompileOptions { capabilities, ..self.options };
        let (stats, previous) = (Arc::clone(&self.stats), self.active.load_full());
        let compile = move || compile(&rules, defaults.as_deref(), options, &stats, previous.as_deref());
        let (active, warnings) = match self.loader.run(compile).await {
            Ok(Ok(compiled)) => compiled,
            Ok(Err(errors)) => return Err(self.rejected("are rejected", "\n", errors.to_string())),
            // the runtime is shutting down, or compiling panicked and the panic was printed
            Err(error) => return Err(self.rejected("could not be compiled", " ", error.to_string())),
        };
        if files.or(resources) == Some(0) {
            let what = if files.is_some() { "rule files" } else { "rule resources" };
            tracing::warn!("there are no {what}: every request is allowed");
        }
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let (domains, rules, hash) = (active.rules.domains().len(), active.rules.rule_count(), active.hash.clone());
        let old = self.active.swap(Some(Arc::new(active)));
        self.loads.count(LoadResult::Applied);
        self.ready.rules_loaded(domains);
        self.check_groups();
        tracing::info!(files, resources, domains, rules, hash, "rules loaded");
        Ok(old)
    }
}

/// Waits until it changes whether the store supports atomic groups; for ever, if that cannot change.
async fn changed(atomic_groups: &mut watch::Receiver<AtomicGroups>) {
    if atomic_groups.changed().await.is_err() {
        // the sender is gone: the store's capabilities do not change
        std::future::pending::<()>().await;
    }
}

/// Compiles `rules` with `defaults`. The hash of the result covers both.
fn compile(
    rules: &RawRules,
    defaults: Option<&LoadedDefaults>,
    options: CompileOptions<'_>,
    stats: &Arc<Stats>,
    previous: Option<&ActiveRules>,
) -> Result<(ActiveRules, Vec<rules::Diagnostic>), CompileErrors> {
    let hash = defaults.map_or(rules.hash, |defaults| rules.hash.and(defaults.hash)).to_string();
    let options = CompileOptions { defaults: defaults.map(|loaded| &loaded.defaults), ..options };
    let Compiled { rules, warnings } = match &rules.content {
        Content::Files(files) => rules::compile(files, &options)?,
        Content::Resources(resources) => rules::compile_resources(resources, &options)?,
    };
    Ok((ActiveRules::new(rules, hash, stats, previous), warnings))
}

/// Frees a replaced rule set once no request uses it.
async fn retire(old: Arc<ActiveRules>, loader: Loader) {
    while Arc::strong_count(&old) > 1 {
        tokio::time::sleep(RETIRE_POLL).await;
    }
    loader.free(old).await;
}
