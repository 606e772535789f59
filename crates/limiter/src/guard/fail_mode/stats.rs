//! The number of hits that a failure mode answered.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use metrics::{Collect, Families, Family};

use crate::domain::FailureMode;

const DEGRADED: Family = Family::counter(
    "tollgate_degraded_hits_total",
    "Hits that a failure mode answered because Redis could not.",
    &["mode"],
);

/// Hits that a failure mode answered, by mode. The decorators of all workers share one.
#[derive(Debug, Default)]
pub struct DegradedStats([AtomicU64; FailureMode::ALL.len()]);

impl DegradedStats {
    /// The hits of each mode but `error`, with the mode's name.
    pub fn hits(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let modes = FailureMode::ALL.into_iter().filter(|mode| *mode != FailureMode::Error);
        modes.map(|mode| (mode.name(), self.0[mode as usize].load(Relaxed)))
    }

    pub(super) fn count(&self, mode: FailureMode) {
        self.0[mode as usize].fetch_add(1, Relaxed);
    }
}

impl Collect for DegradedStats {
    fn collect(&self, families: &mut Families) {
        for (mode, hits) in self.hits() {
            families.add(&DEGRADED, &[mode], hits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_shows_its_own_hits() {
        let stats = DegradedStats::default();
        for (mode, hits) in [(FailureMode::Allow, 1), (FailureMode::Deny, 2), (FailureMode::Local, 3)] {
            (0..hits).for_each(|_| stats.count(mode));
        }
        assert_eq!(
            metrics::series(&stats),
            [
                r#"tollgate_degraded_hits_total{mode="allow"} 1"#,
                r#"tollgate_degraded_hits_total{mode="deny"} 2"#,
                r#"tollgate_degraded_hits_total{mode="local"} 3"#,
            ]
        );
    }
}
