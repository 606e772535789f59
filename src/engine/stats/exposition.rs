//! The rules' series in Prometheus' text format. They are streamed in pieces instead of gathered with the other
//! families, because there may be a million rules.

use std::sync::Arc;

use metrics::{Family, PIECE};

use super::{Figure, Labels, Series, StatsTable};

/// The rules' labels. A rule with one level has no `key2`, and a rule with two has no `key3`.
const LABELS: &[&str] = &["domain", "key1", "key2", "key3"];

/// In the order of [`Figure::ALL`].
const FAMILIES: [Family; Figure::ALL.len()] = [
    Family::counter("ratelimit_service_rate_limit_total_hits", "Hits on the rule.", LABELS),
    Family::counter(
        "ratelimit_service_rate_limit_within_limit",
        "Hits of requests that were within the limit.",
        LABELS,
    ),
    Family::counter(
        "ratelimit_service_rate_limit_near_limit",
        "Hits between the near threshold (NEAR_LIMIT_RATIO) and the limit.",
        LABELS,
    ),
    Family::counter("ratelimit_service_rate_limit_over_limit", "Hits above the limit.", LABELS),
    Family::counter(
        "ratelimit_service_rate_limit_over_limit_with_local_cache",
        "Hits above the limit that the deny cache answered.",
        LABELS,
    ),
    Family::counter(
        "ratelimit_service_rate_limit_shadow_mode",
        "Hits above the limit that passed because the rule is in shadow mode.",
        LABELS,
    ),
];

/// The families with every series of a table, in pieces.
#[derive(Debug)]
pub struct RuleFamilies {
    series: Vec<Arc<Series>>,
    /// The index of the family in progress.
    figure: usize,
    /// The index of its next series.
    next: usize,
}

impl RuleFamilies {
    /// The families of all series with hits.
    #[must_use]
    pub fn new(table: &StatsTable) -> Self {
        let series = table.series();
        // without series the families are omitted
        let figure = if series.is_empty() { Figure::ALL.len() } else { 0 };
        Self { series, figure, next: 0 }
    }
}

impl Iterator for RuleFamilies {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut piece = String::new();
        while let Some(&figure) = Figure::ALL.get(self.figure) {
            let family = &FAMILIES[self.figure];
            if self.next == 0 {
                family.push_head(&mut piece);
            }
            for series in &self.series[self.next..] {
                let Labels { domain, key1, key2, key3, .. } = series.labels();
                family.push_series(&mut piece, [Some(domain), Some(key1), key2, key3], series.get(figure));
                self.next += 1;
                if piece.len() >= PIECE {
                    break;
                }
            }
            if self.next == self.series.len() {
                (self.figure, self.next) = (self.figure + 1, 0);
            }
            if piece.len() >= PIECE {
                break;
            }
        }
        (!piece.is_empty()).then_some(piece)
    }
}

#[cfg(test)]
mod tests;
