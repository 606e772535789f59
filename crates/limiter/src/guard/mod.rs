//! Decorators on a limiter, each a [`RateLimiter`](crate::domain::RateLimiter) around another.
//!
//! Around a store over the network stand, from without, the clock that times it, the failure modes and the deny cache: a
//! verdict of a failure mode is never remembered. The breaker is further in, in the store: each address has its own.
//! `docs/adr/0003-decorators-for-guards-and-observability.md` has the whole order.

mod deny_cache;
mod fail_mode;
mod observed;

pub use deny_cache::{DenyCache, DenyTable};
pub use fail_mode::{DegradedStats, FailMode};
pub use observed::{Observed, OperationTimes};
