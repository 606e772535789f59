//! Stores beyond the process; the embedded one is `limiter::memory`. Each implements
//! [`RateLimiter`](limiter::domain::RateLimiter) and knows counters and limits, not rules, requests or another store.

#[cfg(feature = "redis")]
pub mod redis;
