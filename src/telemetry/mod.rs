//! What the service shows of itself: the scrape of all that is registered, and the log. `docs/metrics.md` lists the
//! families.
//!
//! Counts nothing and knows no family but those of the process: each module exports what it counts.

pub mod logging;
mod registry;

pub use registry::{CONTENT_TYPE, Metrics, MetricsError};
