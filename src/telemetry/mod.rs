//! Observability: the scrape of all registered collectors, and the log. `docs/metrics.md` lists the metric families.
//!
//! This module defines only the families of the process and its build; every other module exports its own.

pub mod logging;
mod registry;

pub use registry::{CONTENT_TYPE, Metrics, MetricsError};
