//! An addition to the counter of a named window by plain commands: `SET name 0 NX PX …` and `INCRBY name …` in one
//! pipeline. They cost Redis less than half of what the script costs.

use std::{num::NonZeroU64, time::Duration};

/// What is added, and how long the counter lives if this creates it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// The name of the counter, which includes its window.
    pub name: Vec<u8>,
    /// How much is added.
    pub amount: NonZeroU64,
    /// How long a counter that this creates lives. Whole milliseconds, at least one.
    pub lifetime: Duration,
}
