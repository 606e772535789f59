//! The six figures of a series, and how an outcome is added to them.

use std::sync::atomic::{AtomicU64, Ordering};

use limiter::domain::{Charge, Source, Verdict};

/// A figure of a rule, in units of hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Figure {
    /// All units of hits.
    TotalHits,
    /// Units of allowed hits.
    WithinLimit,
    /// Units between the near threshold and the limit.
    NearLimit,
    /// Units above the limit.
    OverLimit,
    /// The part of `OverLimit` that was answered from the deny cache.
    OverLimitWithLocalCache,
    /// The part of `OverLimit` that was not enforced because the rule is in shadow mode.
    ShadowMode,
}

impl Figure {
    /// Every figure, in the order in which [`Row`] keeps them.
    pub const ALL: [Self; 6] = [
        Self::TotalHits,
        Self::WithinLimit,
        Self::NearLimit,
        Self::OverLimit,
        Self::OverLimitWithLocalCache,
        Self::ShadowMode,
    ];

    /// The name in the reference's metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TotalHits => "total_hits",
            Self::WithinLimit => "within_limit",
            Self::NearLimit => "near_limit",
            Self::OverLimit => "over_limit",
            Self::OverLimitWithLocalCache => "over_limit_with_local_cache",
            Self::ShadowMode => "shadow_mode",
        }
    }
}

/// The outcome of a hit, as far as statistics need it.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// The verdict of the store.
    pub verdict: &'a Verdict,
    /// The charge of the hit: looks and refunds are not counted.
    pub charge: Charge,
    /// Requests per window, or the burst of a token bucket.
    pub limit: u64,
    /// The rule is in shadow mode.
    pub shadow: bool,
}

/// The figures of a series. They only grow, and any thread may add to them.
#[derive(Debug, Default)]
pub struct Row([AtomicU64; Figure::ALL.len()]);

impl Row {
    /// The current value of a figure.
    #[must_use]
    pub fn get(&self, figure: Figure) -> u64 {
        self.0[figure as usize].load(Ordering::Relaxed)
    }

    /// Counts a hit without a verdict, because the store failed: only in the total, as in the reference.
    pub fn record_failed(&self, charge: Charge) {
        if let Charge::Take(_) = charge {
            self.add(Figure::TotalHits, charge.amount());
        }
    }

    /// Counts a hit. `near_ratio`: the fraction of the limit above which hits are near it.
    ///
    /// A hit that crosses a threshold is split at the threshold, as in the reference. A denied hit that was not charged
    /// is over the limit as a whole.
    pub fn record(&self, observation: &Observation<'_>, near_ratio: f32) {
        let Observation { verdict, charge, limit, shadow } = *observation;
        let asked = charge.amount();
        if asked == 0 || matches!(charge, Charge::Give(_)) {
            return;
        }
        self.add(Figure::TotalHits, asked);
        let (near, over) = if verdict.source == Source::DenyCache {
            self.add(Figure::OverLimitWithLocalCache, asked);
            (0, asked)
        } else if verdict.allowed {
            self.add(Figure::WithinLimit, asked);
            (near_part_within(verdict, near_threshold(limit, near_ratio), asked), 0)
        } else {
            split_denied(verdict, limit, near_threshold(limit, near_ratio), asked)
        };
        self.add(Figure::NearLimit, near);
        self.add(Figure::OverLimit, over);
        if shadow {
            self.add(Figure::ShadowMode, over);
        }
    }

    fn add(&self, figure: Figure, units: u64) {
        if units > 0 {
            self.0[figure as usize].fetch_add(units, Ordering::Relaxed);
        }
    }
}

/// The count above which hits are near the limit, computed in single precision, as in the reference.
#[must_use]
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn near_threshold(limit: u64, near_ratio: f32) -> u64 {
    // a conversion rounds down what is not negative, without the call into libm that `floor` is on x86-64
    (limit as f32 * near_ratio) as u64
}

fn near_part_within(verdict: &Verdict, threshold: u64, asked: u64) -> u64 {
    if verdict.before >= threshold && verdict.after > threshold {
        asked
    } else {
        verdict.after.saturating_sub(threshold).min(asked)
    }
}

/// The near and the over part of a denied hit.
fn split_denied(verdict: &Verdict, limit: u64, threshold: u64, asked: u64) -> (u64, u64) {
    let charged = verdict.after > verdict.before;
    // a hit that is over its limit only together with others of its request may be charged and stay below the limit
    if !charged || verdict.before >= limit || verdict.after < limit {
        return (0, asked);
    }
    // `clamp` has no effect for a fixed window. The counts of the other algorithms are rounded down; without it, a hit
    // that is denied by a fraction would count as 0.
    let over = verdict.after.saturating_sub(limit).clamp(1, asked);
    let near = limit.saturating_sub(threshold.max(verdict.before)).min(asked - over);
    (near, over)
}
