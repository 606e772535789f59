//! Decorators of a limiter, each a [`RateLimiter`](crate::domain::RateLimiter) around another.
//!
//! A store over the network is wrapped, from the outermost in, by `Observed`, `FailMode` and `DenyCache`, so a verdict
//! of a failure mode is never remembered as a denial. The circuit breaker is inside the store, because each address has
//! its own. `docs/adr/0003-decorators-for-guards-and-observability.md` has the whole order.

mod deny_cache;
mod fail_mode;
mod observed;

pub use deny_cache::{DenyCache, DenyTable};
pub use fail_mode::{DegradedStats, FailMode};
pub use observed::{Observed, OperationTimes};
