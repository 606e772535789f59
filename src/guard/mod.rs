//! Decorators on a limiter, each a [`RateLimiter`](crate::domain::RateLimiter) around another.
//!
//! Around a store over the network stand, from without, the clock that times it, the failure modes and the deny cache: a
//! verdict of a failure mode is never remembered. The breaker is further in, in the store: each address has its own.
//! `docs/adr/0003-decorators-for-guards-and-observability.md` has the whole order.

#[cfg(feature = "redis")]
mod deny_cache;
#[cfg(feature = "redis")]
mod fail_mode;
#[cfg(feature = "redis")]
mod observed;

#[cfg(feature = "redis")]
pub use deny_cache::{DenyCache, DenyTable};
#[cfg(feature = "redis")]
pub use fail_mode::{DegradedStats, FailMode};
#[cfg(feature = "redis")]
pub use observed::{Observed, OperationTimes};
