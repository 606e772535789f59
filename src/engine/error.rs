//! Why a request has no decision.

use limiter::domain::StoreError;

/// Why a request has no decision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecideError {
    /// The domain is empty.
    #[error("rate limit domain must not be empty")]
    NoDomain,
    /// There is nothing to decide.
    #[error("rate limit descriptor list must not be empty")]
    NoDescriptors,
    /// More descriptors than the setting allows.
    #[error("the request has {count} descriptors; at most {max} are accepted (setting MAX_DESCRIPTORS)")]
    TooManyDescriptors {
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// A descriptor with more entries than the setting allows.
    #[error("descriptors[{descriptor}] has {count} entries; at most {max} are accepted (setting MAX_ENTRIES)")]
    TooManyEntries {
        /// Which descriptor.
        descriptor: usize,
        /// How many entries it has.
        count: usize,
        /// How many it may have.
        max: usize,
    },
    /// An override without a usable unit.
    #[error(
        "descriptors[{descriptor}].limit.unit is {unit}, which is no unit; accepted are 1 (SECOND), 2 (MINUTE), \
         3 (HOUR), 4 (DAY), 5 (MONTH), 6 (YEAR), 7 (WEEK)"
    )]
    OverrideUnit {
        /// Which descriptor.
        descriptor: usize,
        /// The number it gives.
        unit: i32,
    },
    /// A descriptor that gives hits back, where that is not allowed.
    #[error("descriptors[{descriptor}] gives hits back (is_negative_hits), which is not allowed (setting REFUNDS)")]
    Refund {
        /// The first such descriptor.
        descriptor: usize,
    },
    /// No load of rules has succeeded yet.
    #[error("no rate limit configuration loaded")]
    NoRules,
    /// The counters could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}
