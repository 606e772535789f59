//! Errors of the engine.

use limiter::domain::StoreError;

/// Why a request cannot be decided. The messages do not name settings: the API adds them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecideError {
    /// The domain is empty.
    #[error("rate limit domain must not be empty")]
    NoDomain,
    /// There are no descriptors.
    #[error("rate limit descriptor list must not be empty")]
    NoDescriptors,
    /// There are more descriptors than are accepted.
    #[error("the request has {count} descriptors; at most {max} are accepted")]
    TooManyDescriptors {
        /// The number of descriptors.
        count: usize,
        /// The most that are accepted.
        max: usize,
    },
    /// A descriptor has more entries than are accepted.
    #[error("descriptors[{descriptor}] has {count} entries; at most {max} are accepted")]
    TooManyEntries {
        /// The index of the descriptor.
        descriptor: usize,
        /// The number of its entries.
        count: usize,
        /// The most that are accepted.
        max: usize,
    },
    /// The limit that a descriptor carries has an unknown unit.
    #[error(
        "descriptors[{descriptor}].limit.unit is {unit}, which is not a unit; accepted are 1 (SECOND), 2 (MINUTE), \
         3 (HOUR), 4 (DAY), 5 (MONTH), 6 (YEAR), 7 (WEEK)"
    )]
    OverrideUnit {
        /// The index of the descriptor.
        descriptor: usize,
        /// The number of the unit.
        unit: i32,
    },
    /// A descriptor gives hits back, which is not allowed.
    #[error("descriptors[{descriptor}] gives hits back, which is not allowed")]
    Refund {
        /// The index of the first such descriptor.
        descriptor: usize,
    },
    /// No rules have been loaded yet.
    #[error("no rate limit configuration loaded")]
    NoRules,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
