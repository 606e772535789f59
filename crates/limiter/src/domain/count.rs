//! What the algorithms count with.

/// The largest count: 2^53 − 1, the largest integer below which an `f64` holds every one. Counts saturate here.
pub const MAX_COUNT: u64 = (1 << 53) - 1;
