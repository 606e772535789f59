//! Stores: where counters live. Each implements [`RateLimiter`](crate::domain::RateLimiter) and knows counters and
//! limits, not rules, requests or another store.

mod memory;

pub use memory::{MemoryConfig, MemoryStats, MemoryStore};
