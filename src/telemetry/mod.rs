//! What the service shows of itself: every metric family, in Prometheus' text format. `docs/metrics.md` lists them.
//!
//! Reads what others count; counts nothing on the request path but what [`Metrics::worker`] and its like hand out.

mod deny_cache;
mod exposition;
mod family;
pub mod logging;
mod metrics;
mod pools;
mod readings;
mod redis;
mod tls;
mod workers;
mod xds;

#[cfg(test)]
mod tests;

pub use deny_cache::DenyCache;
pub use exposition::StatsPage;
pub use metrics::{CONTENT_TYPE, LoadResult, Metrics, MetricsError, Scrape};
pub use pools::RedisPool;
pub use readings::{ActiveRules, Connections, MemoryStore, Readings, Tasks};
pub use redis::{BreakerState, RedisBreaker, RedisStore};
pub use tls::{TlsClient, TlsListener};
pub use xds::Xds;
