//! The statistics of one rule set, by rule number.

use std::sync::Arc;

use super::{Figure, Series, SeriesName, Stats, series::SeriesSet};
use rules::RuleId;

/// One series for each rule of a set. Rules of equal name share one, as in the reference.
#[derive(Debug)]
pub struct StatsTable {
    stats: Arc<Stats>,
    by_rule: Box<[Arc<Series>]>,
    by_name: SeriesSet,
}

impl StatsTable {
    /// The table of a rule set; `rules` gives every rule once, in any order. Series of `previous`, and those made at
    /// run time, go on where a rule has their name.
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

    /// The series for a name that holds a request's values. Made if need be, while there is room.
    #[must_use]
    pub fn dynamic(&self, name: SeriesName<'_>) -> Arc<Series> {
        let hash = self.stats.hash(name.parts());
        if let Some(series) = self.by_name.find(hash, name.parts()) {
            return series.clone();
        }
        self.stats.series(hash, name).unwrap_or_else(|| self.other().clone())
    }

    /// What outlives this table.
    #[must_use]
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// Every series that was ever hit, in no order, each name once.
    #[must_use]
    pub fn series(&self) -> Vec<Arc<Series>> {
        let hit = |series: &Arc<Series>| series.get(Figure::TotalHits) > 0;
        let mut all: Vec<_> = self.by_name.iter().filter(|series| hit(series)).cloned().collect();
        // Requests still running under the old rules may have made one that is a rule's now.
        let of_no_rule = |series: &Arc<Series>| {
            let name = series.name().parts();
            self.by_name.find(self.stats.hash(name), name).is_none()
        };
        let mut made = self.stats.all();
        made.push(self.stats.other().clone());
        all.extend(made.into_iter().filter(|series| hit(series) && of_no_rule(series)));
        all
    }

    /// A rule or a value may bear the very name; then they share.
    fn other(&self) -> &Arc<Series> {
        let other = self.stats.other();
        let name = other.name().parts();
        self.by_name.find(self.stats.hash(name), name).unwrap_or(other)
    }
}
