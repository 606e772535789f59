//! The range of counts.

/// The largest count: 2^53 − 1. Up to here every integer is exact as an `f64`. Counts saturate at it.
pub const MAX_COUNT: u64 = (1 << 53) - 1;
