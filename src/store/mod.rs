//! Stores: where counters live. Each implements [`RateLimiter`](crate::domain::RateLimiter) and knows counters and
//! limits, not rules, requests or another store.

#[cfg(feature = "redis")]
pub mod redis;

pub use limiter::memory::{MemoryConfig, MemoryStats, MemoryStore};
