//! The statistics of one rule set, by rule number.

use std::sync::Arc;

use super::{Figure, Series, SeriesName, Stats, series::SeriesSet};
use rules::RuleId;

/// A series for each rule of a set. Rules with equal names share one, as in the reference.
#[derive(Debug)]
pub struct StatsTable {
    stats: Arc<Stats>,
    by_rule: Box<[Arc<Series>]>,
    by_name: SeriesSet,
}

impl StatsTable {
    /// The table of a rule set. `rules`: every rule once, in any order. A rule keeps the series that `previous` has
    /// under its name, or adopts one that was created at run time.
    #[must_use]
    pub fn build<'a>(
        stats: &Arc<Stats>,
        rules: impl IntoIterator<Item = (RuleId, SeriesName<'a>)>,
        previous: Option<&Self>,
    ) -> Self {
        let rules = rules.into_iter();
        let mut by_name = SeriesSet::with_capacity(rules.size_hint().0);
        let mut numbered: Vec<(RuleId, Arc<Series>)> = Vec::with_capacity(rules.size_hint().0);
        let mut domain: Arc<str> = Arc::from("");
        for (id, name) in rules {
            let hash = stats.hash(name.parts());
            if let Some(series) = by_name.find(hash, name.parts()) {
                numbered.push((id, series.clone()));
                continue;
            }
            let kept = previous.and_then(|table| table.by_name.find(hash, name.parts()).cloned());
            let series = kept.or_else(|| stats.adopt(hash, name.parts())).unwrap_or_else(|| {
                if *domain != *name.domain() {
                    domain = Arc::from(name.domain());
                }
                Series::new(name.keep(domain.clone()))
            });
            by_name.insert(hash, series.clone(), stats.hasher());
            numbered.push((id, series));
        }
        numbered.sort_unstable_by_key(|(id, _)| *id);
        let by_rule = numbered.into_iter().map(|(_, series)| series).collect();
        Self { stats: stats.clone(), by_rule, by_name }
    }

    /// The series of a rule.
    #[must_use]
    pub fn row(&self, rule: RuleId) -> &Series {
        self.by_rule
            .get(rule.0 as usize)
            .expect("rule numbers are dense and the table was built from the rule's own set")
    }

    /// The series for a name with a request's values. Created if there is room, else the series `other`.
    #[must_use]
    pub fn dynamic(&self, name: SeriesName<'_>) -> Arc<Series> {
        let hash = self.stats.hash(name.parts());
        if let Some(series) = self.by_name.find(hash, name.parts()) {
            return series.clone();
        }
        self.stats.series(hash, name).unwrap_or_else(|| self.other().clone())
    }

    /// The statistics that outlive this table.
    #[must_use]
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// Every series with hits, in no particular order, each name once.
    #[must_use]
    pub fn series(&self) -> Vec<Arc<Series>> {
        let hit = |series: &Arc<Series>| series.get(Figure::TotalHits) > 0;
        let mut all: Vec<_> = self.by_name.iter().filter(|series| hit(series)).cloned().collect();
        // a request that still uses the old rules may have created a series whose name a rule now has
        let has_no_rule = |series: &Arc<Series>| {
            let name = series.name().parts();
            self.by_name.find(self.stats.hash(name), name).is_none()
        };
        let mut dynamic = self.stats.all();
        dynamic.push(self.stats.other().clone());
        all.extend(dynamic.into_iter().filter(|series| hit(series) && has_no_rule(series)));
        all
    }

    /// The series for values beyond the cap, or that of a rule whose name is "other".
    fn other(&self) -> &Arc<Series> {
        let other = self.stats.other();
        let name = other.name().parts();
        self.by_name.find(self.stats.hash(name), name).unwrap_or(other)
    }
}
