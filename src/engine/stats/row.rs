//! The six figures of one series, and how an outcome adds to them.

use std::sync::atomic::{AtomicU64, Ordering};

use limiter::domain::{Charge, Source, Verdict};

/// One of the figures kept for a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Figure {
    /// Units asked for.
    TotalHits,
    /// Units of requests that were within the limit, whole requests only.
    WithinLimit,
    /// The part that lay between the near threshold and the limit.
    NearLimit,
    /// The part above the limit.
    OverLimit,
    /// The part of `OverLimit` that was answered from the deny cache.
    OverLimitWithLocalCache,
    /// The part of `OverLimit` that was not enforced.
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

    /// The name that users of the reference know it by.
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

/// One hit's outcome, as far as statistics need it.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// What the store said.
    pub verdict: &'a Verdict,
    /// What was asked of it: looks and refunds count nothing.
    pub charge: Charge,
    /// Requests per window; the burst of a token bucket.
    pub limit: u64,
    /// The rule is not enforced.
    pub shadow: bool,
}

/// Counters that only grow, in units of hits. Cheap to add to from any thread.
#[derive(Debug, Default)]
pub struct Row([AtomicU64; Figure::ALL.len()]);

impl Row {
    /// The present figure.
    #[must_use]
    pub fn get(&self, figure: Figure) -> u64 {
        self.0[figure as usize].load(Ordering::Relaxed)
    }

    /// Counts a hit that got no verdict because the store failed: the reference counts it as asked, no more.
    pub fn record_failed(&self, charge: Charge) {
        if let Charge::Take(_) = charge {
            self.add(Figure::TotalHits, charge.amount());
        }
    }

    /// Counts a hit. `near_ratio` is NEAR_LIMIT_RATIO.
    ///
    /// A request that crosses a threshold is split at it, as the reference does. A denied hit that was not charged has
    /// nothing to split and is over as a whole.
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

/// The count above which hits are near the limit, computed in single precision as the reference does.
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
    // what was over only beside others of its request can be charged and stay below the limit
    if !charged || verdict.before >= limit || verdict.after < limit {
        return (0, asked);
    }
    // The bounds change nothing for a fixed window. The counts of the other algorithms are rounded down, so that a hit
    // denied by a fraction would else count as nothing.
    let over = verdict.after.saturating_sub(limit).clamp(1, asked);
    let near = limit.saturating_sub(threshold.max(verdict.before)).min(asked - over);
    (near, over)
}
