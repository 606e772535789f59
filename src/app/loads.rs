//! Counts how often rules and their defaults were read, by result.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use metrics::{Collect, Families, Family};

const SUCCESS: Family =
    Family::counter("ratelimit_service_config_load_success", "Rule sets that were loaded and became active.", &[]);
const ERROR: Family = Family::counter(
    "ratelimit_service_config_load_error",
    "Rule sets that were rejected; the active rules stayed.",
    &[],
);
const RELOADS: Family =
    Family::counter("tollgate_config_reloads_total", "Rule sets that were read, by result.", &["result"]);

/// The result of reading rules: the value of label `result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoadResult {
    /// They are active.
    Applied,
    /// They are equal to the active rules.
    Unchanged,
    /// They are rejected; the active rules stay.
    Refused,
}

/// Counts since the start.
#[derive(Debug, Default)]
pub(super) struct Loads {
    applied: AtomicU64,
    unchanged: AtomicU64,
    refused: AtomicU64,
}

impl Loads {
    pub(super) fn count(&self, result: LoadResult) {
        let counter = match result {
            LoadResult::Applied => &self.applied,
            LoadResult::Unchanged => &self.unchanged,
            LoadResult::Refused => &self.refused,
        };
        counter.fetch_add(1, Relaxed);
    }
}

impl Collect for Loads {
    fn collect(&self, families: &mut Families) {
        let [applied, unchanged, refused] =
            [&self.applied, &self.unchanged, &self.refused].map(|counter| counter.load(Relaxed));
        families.add(&SUCCESS, &[], applied);
        families.add(&ERROR, &[], refused);
        families.add(&RELOADS, &["applied"], applied);
        families.add(&RELOADS, &["unchanged"], unchanged);
        families.add(&RELOADS, &["refused"], refused);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_are_counted_by_result() {
        let loads = Loads::default();
        for (result, times) in [(LoadResult::Applied, 1), (LoadResult::Refused, 2), (LoadResult::Unchanged, 3)] {
            (0..times).for_each(|_| loads.count(result));
        }
        assert_eq!(
            metrics::series(&loads),
            [
                "ratelimit_service_config_load_error 2",
                "ratelimit_service_config_load_success 1",
                r#"tollgate_config_reloads_total{result="applied"} 1"#,
                r#"tollgate_config_reloads_total{result="refused"} 2"#,
                r#"tollgate_config_reloads_total{result="unchanged"} 3"#,
            ]
        );
    }
}
