//! Decorators on a limiter, each a [`RateLimiter`](crate::domain::RateLimiter) around another.
//!
//! So far the deny cache. Observation, failure modes and the breaker come with bounded answers;
//! `docs/adr/0003-decorators-for-guards-and-observability.md` has their order.

#[cfg(feature = "redis")]
mod deny_cache;

#[cfg(feature = "redis")]
pub use deny_cache::{DenyCache, DenyTable};
