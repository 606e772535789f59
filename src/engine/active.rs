//! The rules in force, as metrics and the `/stats` page show them.

use std::sync::Arc;

use metrics::{Collect, Families, Family, Pieces};

use super::{
    ActiveRules, ActiveRulesHandle,
    stats::{RuleFamilies, StatsPage},
};

const RULES: Family = Family::gauge("tollgate_active_rules", "Rules in force.", &[]);
const INFO: Family = Family::gauge("tollgate_active_rules_info", "1, with the hash of the rules in force.", &["hash"]);
const AGE: Family =
    Family::gauge("tollgate_active_rules_age_seconds", "Time since the rules in force were loaded.", &[]);

/// Exports what is in force: of no rules, nothing.
#[derive(Clone, Debug)]
pub struct ActiveRulesMetrics(ActiveRulesHandle);

impl ActiveRulesMetrics {
    /// Those that `live` holds at each scrape.
    #[must_use]
    pub fn new(live: ActiveRulesHandle) -> Self {
        Self(live)
    }

    /// The rules' part of the `/stats` page.
    #[must_use]
    pub fn stats_page(&self) -> Pieces {
        self.pieces(|live| Box::new(StatsPage::new(&live.stats)))
    }

    fn pieces(&self, of: impl FnOnce(&Arc<ActiveRules>) -> Pieces) -> Pieces {
        self.0.load().as_ref().map_or_else(|| Box::new(std::iter::empty()) as Pieces, of)
    }
}

impl Collect for ActiveRulesMetrics {
    fn collect(&self, families: &mut Families) {
        if let Some(live) = self.0.load().as_ref() {
            families.add(&RULES, &[], live.rules.rule_count().into());
            families.add(&INFO, &[&live.hash], 1);
            families.add(&AGE, &[], live.since.elapsed().as_secs());
        }
    }

    fn stream(&self) -> Pieces {
        self.pieces(|live| Box::new(RuleFamilies::new(&live.stats)))
    }
}
