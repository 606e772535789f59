//! The active rules, a value that is replaced as a whole; their metrics, and their part of the `/stats` page.

use std::{sync::Arc, time::Instant};

use arc_swap::ArcSwapOption;
use metrics::{Collect, Families, Family, Pieces};
use rules::{RuleId, RuleSet};

use super::stats::{RuleFamilies, SeriesName, Stats, StatsPage, StatsTable};

const RULES: Family = Family::gauge("tollgate_active_rules", "Active rules.", &[]);
const INFO: Family = Family::gauge("tollgate_active_rules_info", "1, with the hash of the active rules.", &["hash"]);
const AGE: Family = Family::gauge("tollgate_active_rules_age_seconds", "Time since the active rules were loaded.", &[]);

/// The active rules and their statistics, which are replaced together.
#[derive(Debug)]
pub struct ActiveRules {
    /// The compiled rules.
    pub rules: RuleSet,
    /// The statistics of each rule.
    pub stats: Arc<StatsTable>,
    /// The hash of the content that the rules were compiled from.
    pub hash: String,
    /// When the rules were loaded.
    pub since: Instant,
}

impl ActiveRules {
    /// Rules that are active from now on, with statistics for each. `hash` is that of the content that they were
    /// compiled from. A rule that has the name of one of `previous` continues its series.
    #[must_use]
    pub fn new(rules: RuleSet, hash: String, stats: &Arc<Stats>, previous: Option<&Self>) -> Self {
        let stats = StatsTable::build(stats, names(&rules), previous.map(|active| &*active.stats));
        Self { rules, stats: Arc::new(stats), hash, since: Instant::now() }
    }
}

/// Every rule with the name of its series.
fn names(rules: &RuleSet) -> impl Iterator<Item = (RuleId, SeriesName<'_>)> {
    rules.rules().map(|(domain, found)| {
        let name = found
            .static_levels()
            .fold(SeriesName::new(domain.name()), |name, level| name.level(level.key, level.value.as_deref()));
        (found.rule.id(), name)
    })
}

/// A handle on the active rules, shared by all engines of a process. Empty until the first successful load.
pub type ActiveRulesHandle = Arc<ArcSwapOption<ActiveRules>>;

/// Exports the active rules and their statistics; nothing before rules are loaded.
#[derive(Clone, Debug)]
pub struct ActiveRulesMetrics(ActiveRulesHandle);

impl ActiveRulesMetrics {
    /// Metrics of the rules that `active` holds at each scrape.
    #[must_use]
    pub fn new(active: ActiveRulesHandle) -> Self {
        Self(active)
    }

    /// The rules' part of the `/stats` page.
    #[must_use]
    pub fn stats_page(&self) -> Pieces {
        self.pieces(|active| Box::new(StatsPage::new(&active.stats)))
    }

    fn pieces(&self, of: impl FnOnce(&Arc<ActiveRules>) -> Pieces) -> Pieces {
        self.0.load().as_ref().map_or_else(|| Box::new(std::iter::empty()) as Pieces, of)
    }
}

impl Collect for ActiveRulesMetrics {
    fn collect(&self, families: &mut Families) {
        if let Some(active) = self.0.load().as_ref() {
            families.add(&RULES, &[], active.rules.rule_count().into());
            families.add(&INFO, &[&active.hash], 1);
            families.add(&AGE, &[], active.since.elapsed().as_secs());
        }
    }

    fn stream(&self) -> Pieces {
        self.pieces(|active| Box::new(RuleFamilies::new(&active.stats)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use limiter::domain::Capabilities;
    use rules::{CompileOptions, RuleFile};

    use super::*;

    #[test]
    fn each_family_shows_its_own_number() {
        let handle = ActiveRulesHandle::default();
        let metrics = ActiveRulesMetrics::new(Arc::clone(&handle));
        assert_eq!(metrics::series(&metrics), [""; 0], "there are none");

        let yaml = "domain: d\ndescriptors: [{key: a}, {key: b, rate_limit: {unit: year, requests_per_unit: 1}}]\n";
        let file = RuleFile::new("rules.yaml", yaml);
        let rules = rules::compile(&[file], &CompileOptions::new(Capabilities::ALL)).expect("valid rules").rules;
        let since = Instant::now().checked_sub(Duration::from_secs(2)).expect("the machine runs for longer");
        let active = ActiveRules { since, ..ActiveRules::new(rules, "0f".to_owned(), &Stats::new(0), None) };
        handle.store(Some(Arc::new(active)));
        let lines = metrics::series(&metrics);
        let [rules, age, info] = lines.as_slice() else { unreachable!("three families: {lines:?}") };
        assert_eq!(
            (rules.as_str(), info.as_str()),
            ("tollgate_active_rules 1", r#"tollgate_active_rules_info{hash="0f"} 1"#)
        );
        let age = age.strip_prefix("tollgate_active_rules_age_seconds ").expect(age).parse::<u64>().expect(age);
        assert!((2..600).contains(&age), "{age}");
    }
}
