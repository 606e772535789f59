//! From whole sets of rules to the rules in force: compile beside the request path, swap, or keep the old ones, and tell
//! the source which. New defaults are a reason to compile the same rules again.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::{oneshot, watch},
    task::JoinSet,
};

use super::{
    defaults::{Good, Newest},
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

/// How often an old rule set is looked at, until no request uses it.
const RETIRE_POLL: Duration = Duration::from_millis(50);

/// Applies what a source yields.
pub(super) struct Reloader {
    pub(super) live: ActiveRulesHandle,
    pub(super) stats: Arc<Stats>,
    pub(super) options: CompileOptions<'static>,
    /// Whether the store charges groups all or none, which may become known later.
    pub(super) atomic_groups: watch::Receiver<AtomicGroups>,
    /// STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT: requests are such groups, whatever their rules say.
    pub(super) stop_increment: bool,
    /// The settings that say where the rules are.
    pub(super) source_setting: &'static str,
    pub(super) loader: Loader,
    pub(super) defaults: Newest,
    pub(super) loads: Arc<Loads>,
    pub(super) ready: Readiness,
}

impl Reloader {
    /// Runs until dropped. Says when the first load has ended, well or not.
    pub(super) async fn run(mut self, mut source: Source, first: oneshot::Sender<()>) {
        let mut first = Some(first);
        let mut retired = JoinSet::new();
        let mut last: Option<Arc<RawRules>> = None;
        let mut defaults = self.defaults.get();
        loop {
            let news = {
                let mut next = pin!(source.next());
                loop {
                    tokio::select! {
                        news = &mut next => break news,
                        () = self.defaults.changed() => defaults = self.defaults.get(),
                        () = changed(&mut self.atomic_groups) => {
                            self.judge_groups();
                            continue;
                        }
                    }
                    if let Some(rules) = &last {
                        let outcome = self.apply(Arc::clone(rules), defaults.clone()).await;
                        // what is refused has been told, and leaves things as they are
                        retired.extend(outcome.ok().flatten().map(|old| retire(old, self.loader.clone())));
                    }
                }
            };
            let outcome = match news {
                SourceUpdate::Rules(rules) => {
                    let rules = Arc::new(rules);
                    let outcome = self.apply(Arc::clone(&rules), defaults.clone()).await;
                    // new defaults may cure files; a server that is told of a refusal counts on its former rules
                    let is_wanted = outcome.is_ok() || matches!(rules.content, Content::Files(_));
                    // a copy of the rules is only kept where it may be needed
                    let keep = self.defaults.may_change() && is_wanted;
                    let unwanted = if keep { last.replace(rules) } else { Some(rules) };
                    retired.extend(unwanted.map(|rules| self.loader.clone().free(rules)));
                    outcome.map(|old| retired.extend(old.map(|old| retire(old, self.loader.clone()))))
                }
                SourceUpdate::Unchanged => {
                    self.loads.count(LoadResult::Unchanged);
                    continue;
                }
                SourceUpdate::Unreadable(error) => {
                    let faults = format!("{error} ({})", self.source_setting);
                    Err(self.refused("cannot be read", " ", faults))
                }
            };
            while retired.try_join_next().is_some() {}
            if let Some(first) = first.take() {
                // nobody listens where the service did not wait for the rules
                let _ = first.send(());
            }
            source.settle(outcome).await;
        }
    }

    /// Finds out whether the rules in force, or a setting, ask for groups that are charged all or none, where the store
    /// turned out not to do that: new rules are refused, but these were there before.
    fn judge_groups(&self) {
        let fault = self.atomic_groups.borrow().unsupported().and_then(|why| {
            let asks = if self.stop_increment {
                "STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT is true".to_owned()
            } else {
                self.live.load().as_ref()?.rules.all_or_none()?.to_string()
            };
            Some(format!("{asks}, and the counter store cannot charge a request all or none: {why}"))
        });
        if let Some(fault) = &fault {
            tracing::error!("unready: {fault}");
        }
        self.ready.groups(fault.map(Into::into));
    }

    /// Counts and tells a load that failed; gives its faults.
    fn refused(&self, what: &str, before: &str, faults: String) -> String {
        self.loads.count(LoadResult::Refused);
        let meanwhile = if self.live.load().is_some() {
            "the former ones stay in force"
        } else {
            "and there are none yet: every call is answered UNAVAILABLE until they load"
        };
        tracing::error!("rules {what}, {meanwhile}:{before}{faults}");
        faults
    }

    /// Puts rules in force. Gives those that are no longer, or what is wrong with the new ones, a line for each fault.
    async fn apply(
        &self,
        rules: Arc<RawRules>,
        defaults: Option<Arc<Good>>,
    ) -> Result<Option<Arc<ActiveRules>>, String> {
        let (files, resources) = match &rules.content {
            Content::Files(files) => (Some(files.len()), None),
            Content::Resources(resources) => (None, Some(resources.len())),
        };
        let capabilities = Capabilities { atomic_groups: *self.atomic_groups.borrow(), ..self.options.capabilities };
        let options = CompileOptions { capabilities, ..self.options };
        let (stats, previous) = (Arc::clone(&self.stats), self.live.load_full());
        let compile = move || compile(&rules, defaults.as_deref(), options, &stats, previous.as_deref());
        let (live, warnings) = match self.loader.run(compile).await {
            Ok(Ok(compiled)) => compiled,
            Ok(Err(errors)) => return Err(self.refused("are refused", "\n", errors.to_string())),
            // the runtime is shutting down, or compiling panicked, which has been printed
            Err(error) => return Err(self.refused("could not be compiled", " ", error.to_string())),
        };
        if files.or(resources) == Some(0) {
            let what = if files.is_some() { "are no rule files" } else { "is no resource of rules" };
            tracing::warn!("there {what}: every request is allowed");
        }
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let (domains, rules, hash) = (live.rules.domains().len(), live.rules.rule_count(), live.hash.clone());
        let old = self.live.swap(Some(Arc::new(live)));
        self.loads.count(LoadResult::Applied);
        self.ready.rules_loaded(domains);
        self.judge_groups();
        tracing::info!(files, resources, domains, rules, hash, "rules loaded");
        Ok(old)
    }
}

/// Waits until it is known that groups are charged all or none, or are not.
async fn changed(atomic_groups: &mut watch::Receiver<AtomicGroups>) {
    if atomic_groups.changed().await.is_err() {
        // of a store whose abilities do not change
        std::future::pending::<()>().await;
    }
}

fn compile(
    rules: &RawRules,
    defaults: Option<&Good>,
    options: CompileOptions<'_>,
    stats: &Arc<Stats>,
    previous: Option<&ActiveRules>,
) -> Result<(ActiveRules, Vec<rules::Diagnostic>), CompileErrors> {
    let hash = defaults.map_or(rules.hash, |defaults| rules.hash.and(defaults.hash)).to_string();
    let options = CompileOptions { defaults: defaults.map(|good| &good.defaults), ..options };
    let Compiled { rules, warnings } = match &rules.content {
        Content::Files(files) => rules::compile(files, &options)?,
        Content::Resources(resources) => rules::compile_resources(resources, &options)?,
    };
    Ok((ActiveRules::new(rules, hash, stats, previous), warnings))
}

/// Frees an old rule set once no request uses it.
async fn retire(old: Arc<ActiveRules>, loader: Loader) {
    while Arc::strong_count(&old) > 1 {
        tokio::time::sleep(RETIRE_POLL).await;
    }
    loader.free(old).await;
}
