//! What the service shows of itself: every metric family, in Prometheus' text format. `docs/metrics.md` lists them.
//!
//! Reads what others count; counts nothing on the request path but what [`Metrics::worker`] hands out.

mod exposition;
mod family;
pub mod logging;
mod metrics;
mod readings;
mod redis;
mod tls;
mod workers;
mod xds;

#[cfg(test)]
mod tests;

pub use exposition::StatsPage;
pub use metrics::{CONTENT_TYPE, LoadResult, Metrics, MetricsError, Scrape};
pub use readings::{ActiveRules, Connections, MemoryStore, Readings, Tasks};
pub use redis::{BreakerState, DenyCache, RedisBreaker, RedisStore};
pub use tls::{TlsClient, TlsListener};
pub use xds::Xds;
